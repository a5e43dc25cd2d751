-- Projections that are fed by Kafka: a place a partition, instead of one checkpoint.

ALTER TABLE plinth.checkpoints
  -- Of the topics that it is fed from, in feed mode; else null.
  ADD COLUMN generation integer,
  ADD COLUMN partitions integer,
  -- What is applied beyond the position since it went back to the log, {partitions, at: [{domain, partition,
  -- bookmark}]}, and the greatest position in it.
  ADD COLUMN marks jsonb,
  ADD COLUMN marks_through text COLLATE "C",
  ADD CHECK ((generation IS NULL) = (partitions IS NULL)),
  ADD CHECK ((marks IS NULL) = (marks_through IS NULL)),
  ADD CHECK (generation IS NULL OR (marks IS NULL AND state = 'current' AND halted IS NULL));

-- There are rows for a revision exactly as long as it is in feed mode: whoever ends that deletes them, and
-- whoever moves a place finds it gone.
CREATE TABLE plinth.places (
  projection text NOT NULL,
  revision integer NOT NULL,
  domain text COLLATE "C" NOT NULL,
  partition integer NOT NULL,
  generation integer NOT NULL,
  epoch text NOT NULL,
  "position" text COLLATE "C" NOT NULL,
  event_id text,
  next_offset text NOT NULL,
  PRIMARY KEY (projection, revision, domain, partition),
  FOREIGN KEY (projection, revision) REFERENCES plinth.checkpoints (projection, revision) ON DELETE CASCADE
  -- Updated with every batch: room on the page keeps it a heap-only update.
) WITH (fillfactor = 20);

-- How far each revision is for all who ask: in feed mode the least of its places. The condition on
-- `generation` spares those in log mode the look at the places.
CREATE VIEW plinth.progress AS
  SELECT k.projection, k.revision, k.code_revision, k.state, k.holder, k.lease_until, k.halted,
    k.pruned_through, k.generation, k.partitions, k.marks,
    coalesce(l.epoch, k.epoch) AS epoch,
    coalesce(l."position", k."position") AS "position",
    CASE WHEN k.generation IS NULL THEN k.event_id ELSE l.event_id END AS event_id
  FROM plinth.checkpoints k
  LEFT JOIN LATERAL (
    SELECT s.epoch, s."position", s.event_id FROM plinth.places s
    WHERE k.generation IS NOT NULL AND s.projection = k.projection AND s.revision = k.revision
    ORDER BY s."position" LIMIT 1
  ) l ON true;
