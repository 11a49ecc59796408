"""The commands, a module each: a docstring that is their help, ``add_arguments`` and ``run``. They alone print."""
