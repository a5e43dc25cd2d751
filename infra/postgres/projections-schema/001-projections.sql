-- What the projections' runners know. The rows of a revision live in a schema of their own, "rm_<name>_<revision>".

CREATE TABLE plinth.projections (
  name text PRIMARY KEY,
  -- Queries read this one. Null until the first is made.
  current_revision integer,
  last_revision integer NOT NULL DEFAULT 0
);

CREATE TABLE plinth.checkpoints (
  projection text NOT NULL REFERENCES plinth.projections (name),
  revision integer NOT NULL,
  -- Projection.revision of the code that fills it.
  code_revision integer NOT NULL,
  state text NOT NULL CHECK (state IN ('current', 'building', 'shadow', 'old')),
  epoch text NOT NULL,
  "position" text COLLATE "C" NOT NULL,
  event_id text,
  holder text,
  lease_until timestamptz,
  -- Why it stopped until an operator acts.
  halted text,
  -- Changes up to here may be gone.
  pruned_through text COLLATE "C" NOT NULL DEFAULT '',
  PRIMARY KEY (projection, revision)
  -- Updated with every batch: room on the page keeps it a heap-only update.
) WITH (fillfactor = 20);

CREATE UNIQUE INDEX checkpoints_one_current ON plinth.checkpoints (projection) WHERE state = 'current';

-- Streams with an event that failed for good. The events wait in the log, from first_version on.
CREATE TABLE plinth.parked_streams (
  projection text NOT NULL,
  revision integer NOT NULL,
  stream text COLLATE "C" NOT NULL,
  first_version integer NOT NULL,
  first_position text COLLATE "C" NOT NULL,
  last_version integer NOT NULL,
  events integer NOT NULL,
  error text NOT NULL,
  PRIMARY KEY (projection, revision, stream),
  FOREIGN KEY (projection, revision) REFERENCES plinth.checkpoints (projection, revision) ON DELETE CASCADE
);

-- What changed, in log order; a batch tells each stream once, at its last event in the batch.
CREATE TABLE plinth.changes (
  projection text NOT NULL,
  revision integer NOT NULL,
  "position" text COLLATE "C" NOT NULL,
  stream text COLLATE "C" NOT NULL,
  PRIMARY KEY (projection, revision, "position")
);
