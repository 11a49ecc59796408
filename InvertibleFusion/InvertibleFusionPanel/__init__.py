"""The panel of the module InvertibleFusion: it asks, shows and lets the library work.

``parameters`` are the user's choices, kept in the scene; ``choices`` turns them into what the library takes; ``logic``
makes runs of them, with or without a panel. ``work`` is the run under way: ``run_control`` steps it from a timer, and
``slow_runs`` and ``separate_process`` take it to a process of its own where a model is slow. ``live_preview`` fuses the
slice that is looked at; ``view_buttons`` show sources and results in place; ``offered_models`` is the list of models;
``durations`` words times; ``visibility`` is which widgets a task needs. ``panel`` puts them together. ``dependencies``
installs Python packages when Apply is pressed; ``sample_data`` offers the phantom patient; ``self_test`` runs in the
application.
"""
