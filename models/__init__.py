"""The workshop of the models: training, evaluation and export. It imports `rucio_dafab.eo`; nothing imports it."""
