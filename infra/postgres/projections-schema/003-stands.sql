-- Where the current revisions of some projections are, as `plinth.progress` says: for reads, which begin with
-- it. A function, for its plan is kept: planning the view took most of the round trip that begins a read.
CREATE FUNCTION plinth.stands(names text[])
RETURNS TABLE (name text, revision integer, epoch text, "position" text, event_id text, halted text)
LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN QUERY
    SELECT p.name, k.revision, k.epoch, k."position", k.event_id, k.halted
    FROM plinth.projections p
    JOIN plinth.progress k ON k.projection = p.name AND k.revision = p.current_revision
    WHERE p.name = ANY (names);
END $$;
