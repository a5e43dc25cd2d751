-- Wrapped data keys. No rebuild, drop or restore of read models touches this schema.
CREATE TABLE plinth_keys.data_keys (
  key_id text COLLATE "C" PRIMARY KEY,
  tenant text COLLATE "C" NOT NULL,
  -- Null: the tenant's own key.
  subject text COLLATE "C",
  -- Null: destroyed by an erasure.
  wrapped bytea,
  -- Nothing new is encrypted under it.
  closed boolean NOT NULL DEFAULT false,
  CHECK (wrapped IS NOT NULL OR closed)
) WITH (
  -- A destroyed key leaves its bytes in a dead row: they are vacuumed away soon after.
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1
);

-- One active key a subject, whoever is first. No subject is the empty string.
CREATE UNIQUE INDEX one_active_data_key ON plinth_keys.data_keys (tenant, coalesce(subject, '')) WHERE NOT closed;
-- All keys of a subject, for its erasure.
CREATE INDEX data_keys_of_subject ON plinth_keys.data_keys (tenant, subject);

-- What the log's erasures name, whether or not this store ever held the key.
CREATE TABLE plinth_keys.erasures (
  key_id text COLLATE "C" PRIMARY KEY,
  -- Positions compare within one epoch only.
  epoch text NOT NULL,
  -- Of the latest erasure that names it.
  position text COLLATE "C" NOT NULL
);

-- How far into the log its erasures have been carried out: one row, so that a restored store knows its past.
CREATE TABLE plinth_keys.follower (
  one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
  epoch text NOT NULL,
  position text COLLATE "C" NOT NULL,
  event_id text
);

-- Of the keyring that this store, and the log beside it, were first started with.
CREATE TABLE plinth_keys.check_values (
  name text PRIMARY KEY,
  value text NOT NULL
);
