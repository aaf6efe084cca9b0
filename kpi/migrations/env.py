"""Alembic's entry: runs on the connection that ``kpi.migrate`` hands over."""

from alembic import context

from kpi.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
