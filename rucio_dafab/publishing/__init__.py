"""Products into Rucio: DIDs, replicas, attachments and the document, in one idempotent act."""
