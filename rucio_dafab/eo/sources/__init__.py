"""Sources: archives of Sentinel scenes on the network, searched and downloaded into folders that the readers read.

``search`` asks an archive, ``plan`` says which files of a product are needed, ``download`` brings them: whole and
verified, or not at all. The archives stand in ``etc/sources.toml`` (:mod:`rucio_dafab.eo.sources.providers`).
"""
