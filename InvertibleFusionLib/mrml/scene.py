"""Finding nodes in a scene, and saying so when they are not there."""

from collections.abc import Iterator
from typing import Any

from InvertibleFusionLib.errors import SceneError


def nodes_of_class(scene: Any, class_name: str) -> Iterator[Any]:
    """All nodes of a class in the order in which they entered the scene."""
    for number in range(scene.GetNumberOfNodesByClass(class_name)):
        yield scene.GetNthNodeByClass(number, class_name)


def require_in_scene(node: Any, role: str) -> None:
    """Refuse a node that was never chosen, or was deleted meanwhile.

    Args:
        node: or None.
        role: what it is for, such as "first source".

    Raises:
        SceneError: with its name, where it ever had one.
    """
    if node is None:
        raise SceneError(f"No volume is chosen as {role}. Choose one.")
    if node.GetScene() is None:
        raise SceneError(
            f"{node.GetName() or 'The volume'}, the {role}, was deleted from the scene meanwhile. Choose another one."
        )


def attribute(node: Any, name: str) -> str:
    """A node's attribute; an empty string where it has none."""
    return str(node.GetAttribute(name) or "")
