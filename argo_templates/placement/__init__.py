"""Where a step runs: the sites that are known, what each would take for an item, and which of them is chosen.

Nothing here asks a server but :mod:`argo_templates.placement.replicas`; the formula is a pure function.
"""
