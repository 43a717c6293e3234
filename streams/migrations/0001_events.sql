CREATE SCHEMA IF NOT EXISTS eventwire;

CREATE TABLE eventwire.events (
    event_id          text PRIMARY KEY,
    event_type        text NOT NULL,
    status            text NOT NULL,
    confidence        double precision NOT NULL,
    reported_at       timestamptz NOT NULL,
    published_at      timestamptz,
    detected_at       timestamptz NOT NULL,
    time_text         text,
    time_value        text,
    time_granularity  text,
    starts_on         date,
    ends_on           date,
    quad_class        smallint NOT NULL,
    plover_event      text,
    plover_mode       text,
    plover_score      double precision,
    cameo             text,
    goldstein         double precision,
    actor             text,
    actor_country     text,
    actor_sector      text,
    target            text,
    target_country    text,
    target_sector     text,
    attributed_to     text,
    place             text,
    place_admin       text,
    place_country     text,
    place_precision   text,
    latitude          double precision,
    longitude         double precision,
    trigger           text NOT NULL,
    evidence          text NOT NULL,
    article_id        text NOT NULL,
    article_title     text,
    article_url       text,
    source            text,
    model             text NOT NULL,
    model_version     text NOT NULL,
    model_sha256      text NOT NULL,
    run_id            text,
    repaired          boolean NOT NULL,
    kafka_partition   integer NOT NULL,
    kafka_offset      bigint NOT NULL,
    record            jsonb NOT NULL,
    stored_at         timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX events_reported_at ON eventwire.events (reported_at);
CREATE INDEX events_type_reported_at ON eventwire.events (event_type, reported_at);
CREATE INDEX events_actor_country ON eventwire.events (actor_country, reported_at);
CREATE INDEX events_target_country ON eventwire.events (target_country, reported_at);
CREATE INDEX events_place_country ON eventwire.events (place_country, reported_at);
CREATE INDEX events_article_id ON eventwire.events (article_id);

COMMENT ON TABLE eventwire.events IS
    'Events that stand on the events topic: one row an event_id, retracted ones are gone';
COMMENT ON COLUMN eventwire.events.reported_at IS
    'When the article was published; when the event was detected, if that was before or is all'
    ' that is known';
COMMENT ON COLUMN eventwire.events.published_at IS
    'When the article was published; null where it does not say in ISO 8601';
COMMENT ON COLUMN eventwire.events.detected_at IS 'When eventwire coded the event';
COMMENT ON COLUMN eventwire.events.time_text IS 'The words of the sentence that say when';
COMMENT ON COLUMN eventwire.events.time_value IS
    'What they mean: an ISO 8601 date, time or interval';
COMMENT ON COLUMN eventwire.events.starts_on IS 'First day of time_value; null where none is told';
COMMENT ON COLUMN eventwire.events.ends_on IS
    'Last day of time_value, included; null where none is told';
COMMENT ON COLUMN eventwire.events.status IS 'occurred, planned, hypothetical, alleged or negated';
COMMENT ON COLUMN eventwire.events.confidence IS
    'Calibrated probability that the sentence reports this event, 0 to 1';
COMMENT ON COLUMN eventwire.events.quad_class IS
    '1 verbal cooperation, 2 material cooperation, 3 verbal conflict, 4 material conflict';
COMMENT ON COLUMN eventwire.events.actor IS
    'Who did it: the name of the first actor, or the words where it has none. All actors and'
    ' targets are in eventwire.participants';
COMMENT ON COLUMN eventwire.events.actor_country IS 'ISO 3166-1 alpha-3, XKX for Kosovo';
COMMENT ON COLUMN eventwire.events.actor_sector IS 'PLOVER sector: GOV, MIL, REB, CVL …';
COMMENT ON COLUMN eventwire.events.target IS 'To whom: as actor';
COMMENT ON COLUMN eventwire.events.attributed_to IS
    'Who asserts the event; null where it is the article itself';
COMMENT ON COLUMN eventwire.events.place IS
    'The most precise place that has coordinates, else the first. All are in eventwire.places';
COMMENT ON COLUMN eventwire.events.place_precision IS
    'What the coordinates stand for: country, region or city';
COMMENT ON COLUMN eventwire.events.evidence IS 'The sentence that reports the event';
COMMENT ON COLUMN eventwire.events.source IS 'Outlet, as the article had it';
COMMENT ON COLUMN eventwire.events.run_id IS
    'Of the replay that sent the article; null for live news';
COMMENT ON COLUMN eventwire.events.repaired IS
    'Whether NUL or lone surrogates, which PostgreSQL cannot hold, were replaced by U+FFFD';
COMMENT ON COLUMN eventwire.events.record IS 'The whole record, see docs/schemas';
COMMENT ON COLUMN eventwire.events.stored_at IS 'When this row was last written';

CREATE VIEW eventwire.participants AS
SELECT e.event_id,
       r.role,
       p.position,
       coalesce(p.participant ->> 'name', p.participant ->> 'text') AS name,
       p.participant ->> 'country' AS country,
       p.participant ->> 'sector' AS sector
  FROM eventwire.events e
 CROSS JOIN LATERAL (VALUES ('actor', e.record -> 'actors'), ('target', e.record -> 'targets'))
       AS r (role, list)
 CROSS JOIN LATERAL jsonb_array_elements(r.list) WITH ORDINALITY AS p (participant, position);

COMMENT ON VIEW eventwire.participants IS
    'A row for every actor and every target of every event, in order of the text';

CREATE VIEW eventwire.places AS
SELECT e.event_id,
       p.position,
       coalesce(p.place ->> 'name', p.place ->> 'text') AS name,
       p.place ->> 'admin' AS admin,
       p.place ->> 'country' AS country,
       p.place ->> 'precision' AS precision,
       (p.place ->> 'lat')::double precision AS latitude,
       (p.place ->> 'lon')::double precision AS longitude,
       p.place ->> 'geoname_id' AS geoname_id
  FROM eventwire.events e
 CROSS JOIN LATERAL jsonb_array_elements(e.record -> 'places') WITH ORDINALITY
       AS p (place, position);

COMMENT ON VIEW eventwire.places IS 'A row for every place of every event, in order of the text';

CREATE TABLE eventwire.refused (
    topic_id          text NOT NULL,
    kafka_partition   integer NOT NULL,
    kafka_offset      bigint NOT NULL,
    reason            text NOT NULL,
    key               bytea,
    value             bytea,
    refused_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic_id, kafka_partition, kafka_offset)
);

COMMENT ON TABLE eventwire.refused IS
    'Records of the events topic that are no events, as they came, and why';

CREATE TABLE eventwire.positions (
    topic_id          text NOT NULL,
    kafka_partition   integer NOT NULL,
    topic             text NOT NULL,
    next_offset       bigint NOT NULL,
    stored_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic_id, kafka_partition)
);

COMMENT ON TABLE eventwire.positions IS
    'Up to where these tables hold the events topic; empty it and the sink reads all again.'
    ' Kafka''s topic id tells a topic from one that was created anew under its name';
