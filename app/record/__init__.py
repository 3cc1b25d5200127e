"""What a site knows. `Site` is the one way in. All SQL of the project stands in this room.

schema       the tables, of both dialects: SQLite and PostgreSQL
migrations   from each format to the next (Alembic)
database     the connection, its transactions, what is damaged or out of reach
leases       the right to do one kind of work, lost when its holder dies
intake       what ingest writes: cameras, footage, chunks of tracklets
audit        who did what with pictures of people
site         `Site`: what is in it, what models and merging add
rows         what is read and written, as dataclasses
erasure      how tracklets leave for good, with all that derives from them
jobs         work that was asked for, with `job_logs`, `nightly` and `settings`
uploads      files that come piece by piece
retention    what is too old leaves
verify       whether every row and every crop is sound
places       where the record and the pictures are: `store.toml`
pictures     crops, in a folder (`folder_pictures`, `shards`) or in an object store (`object_pictures`, `buckets`)
move         a site goes to other places and back, with `copying`
embeddings   vectors on disk, derived
private_files   files for their owner's eyes only
"""

from app.record.site import Site

__all__ = ["Site"]
