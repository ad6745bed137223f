"""Alembic's entry: runs the revisions on the connection that :mod:`rucio_dafab.catalogue.migrations` hands over."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table="revision",
    version_table_schema="dafab",
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
