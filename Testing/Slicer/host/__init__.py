"""What the application Slicer gives a module, on the wheel slicer-core and PySide6.

The MRML is Slicer's own, and so is ``slicer.util``; widgets are Qt's own, speaking PythonQt's dialect. Where the
environment variable SLICER_SOURCE names a checkout of Slicer, its ``Base/Python/slicer`` gives ScriptedLoadableModule,
parameterNodeWrapper and i18n; otherwise the small ones in this folder do, which fail where Slicer's would.
"""
