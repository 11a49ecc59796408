"""MRML nodes ↔ the library: volumes, grids, result nodes with their provenance, views, preview. No qt.

From the bottom up: ``scene`` finds nodes and says what is missing; ``geometry`` turns matrices and parent transforms
into grids; ``images`` fills nodes; ``provenance`` keeps records and what they say to other programs; ``hardening``
bends copies; ``volumes`` reads nodes; ``grids`` says in words whether they match; ``outcomes`` is what a run can leave
in the scene, ``hierarchy`` where it stands there, and ``results`` puts it there; ``views`` and ``layout`` show it;
``shown_slice`` says what is being looked at; ``preview`` shows one slice before there is a result; ``inputs`` says
whether sources can be taken together; ``runs`` goes from nodes to nodes, slice by slice. What is shown before torch is
installed imports no torch; ``runs`` and the tasks do.

A scene, a node and a transform are Slicer's own objects everywhere; nothing here keeps one longer than it needs to,
but ``preview.PreviewNode``, which owns its node. All of it runs on Slicer's main thread.
"""
