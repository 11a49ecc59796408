"""The papers' experiments on the data that can be had, all methods in one loop with one budget.

``definition`` says what an experiment is; ``fusioninn``, ``ivan_synthesis``, ``ivan_fusion`` and ``gan`` define them,
``catalogue`` names them. ``data.yaml`` lists the files that they read, ``data_sets`` reads it. ``learning`` trains,
``comparing`` measures, ``findings`` says what reproduces by a rule, ``results`` and ``pictures`` write what is left.
"""
