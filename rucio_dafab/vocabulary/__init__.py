"""What things are called: keys, types, units, aliases, areas of interest and the ontology."""
