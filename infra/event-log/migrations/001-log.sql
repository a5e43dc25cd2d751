-- The log. `append` is the only writer of `events`; nothing is ever changed or deleted.

CREATE TABLE plinth_log.log (
  one   boolean PRIMARY KEY DEFAULT true CHECK (one),
  epoch uuid    NOT NULL
);
INSERT INTO plinth_log.log (epoch) VALUES (gen_random_uuid());

-- CACHE 1: a session that kept numbers back would use them after others had committed higher ones.
CREATE SEQUENCE plinth_log.positions AS bigint CACHE 1;

CREATE TABLE plinth_log.events (
  position       bigint NOT NULL,
  time_ms        bigint NOT NULL,
  version        integer NOT NULL,
  schema_version integer NOT NULL,
  id             uuid NOT NULL,
  stream         text COLLATE "C" NOT NULL,
  type           text COLLATE "C" NOT NULL,
  nonce          bytea NOT NULL,
  -- The very bytes that were appended.
  data           bytea NOT NULL,
  metadata       bytea NOT NULL,
  CONSTRAINT events_by_position PRIMARY KEY (position),
  CONSTRAINT events_by_stream UNIQUE (stream, version),
  CONSTRAINT events_by_id UNIQUE (id)
);

-- Appends several members, each to a stream of its own, each only if the stream has the version that the
-- member expects (-1: whatever it has). Answers the version that each member's stream had, and the position
-- just before the first event's: the event n of the arguments has the position before_first + n, if it
-- was appended at all.
--
-- Arguments: one array element a member, then one an event. `p_bytes` holds nonce (16), data and metadata
-- of all events back to back; `p_offsets` count from 1. Bytes in one value: an array of bytea would travel
-- as escaped text.
CREATE FUNCTION plinth_log.append(
  p_member_streams  text[],
  p_expected        integer[],
  p_members         integer[],
  p_nths            integer[],
  p_streams         text[],
  p_ids             uuid[],
  p_types           text[],
  p_schema_versions integer[],
  p_times_ms        bigint[],
  p_offsets         integer[],
  p_data_bytes      integer[],
  p_metadata_bytes  integer[],
  p_bytes           bytea,
  OUT actual        integer[],
  OUT before_first  bigint
)
LANGUAGE plpgsql
AS $$
DECLARE
  v_events integer := cardinality(p_ids);
  v_base   integer[];
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'plinth_log.append needs READ COMMITTED: an older snapshot would not see the last append';
  END IF;

  -- In a statement of its own: the statements after it see what the lock's last holder has committed.
  -- Held to the commit, so that positions become visible in their order.
  PERFORM pg_advisory_xact_lock(7401, 1);

  SELECT array_agg(coalesce(last.version, 0) ORDER BY member.nth)
    INTO actual
    FROM unnest(p_member_streams) WITH ORDINALITY AS member (stream, nth)
    LEFT JOIN LATERAL (
      SELECT e.version FROM plinth_log.events e
       WHERE e.stream = member.stream ORDER BY e.version DESC LIMIT 1
    ) last ON true;

  SELECT array_agg(CASE WHEN pair.wanted = -1 OR pair.wanted = pair.had THEN pair.had END ORDER BY pair.nth)
    INTO v_base
    FROM unnest(p_expected, actual) WITH ORDINALITY AS pair (wanted, had, nth);

  -- A run of numbers of our own: nobody else takes any before this commits.
  before_first := nextval('plinth_log.positions') - 1;
  IF v_events > 1 THEN
    PERFORM setval('plinth_log.positions', before_first + v_events);
  END IF;

  INSERT INTO plinth_log.events
         (position, time_ms, version, schema_version, id, stream, type, nonce, data, metadata)
  SELECT before_first + e.ord, e.time_ms, v_base[e.member] + e.nth, e.schema_version, e.id, e.stream, e.type,
         substring(p_bytes FROM e.start FOR 16),
         substring(p_bytes FROM e.start + 16 FOR e.data_bytes),
         substring(p_bytes FROM e.start + 16 + e.data_bytes FOR e.metadata_bytes)
    FROM unnest(p_members, p_nths, p_streams, p_ids, p_types, p_schema_versions, p_times_ms, p_offsets,
                p_data_bytes, p_metadata_bytes)
         WITH ORDINALITY AS e (member, nth, stream, id, type, schema_version, time_ms, start,
                               data_bytes, metadata_bytes, ord)
   WHERE v_base[e.member] IS NOT NULL;

  IF FOUND THEN
    -- So that who has read this far already need not look again.
    PERFORM pg_notify('plinth_log', (before_first + v_events)::text);
  END IF;
END;
$$;
