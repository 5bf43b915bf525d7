-- The tables and views of version 3 as PostgreSQL has them. Never change it: stores like this exist.

CREATE TABLE artifact (
    sha256 TEXT NOT NULL,
    kind TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    path TEXT NOT NULL,
    facts JSON NOT NULL,
    stored_at TEXT NOT NULL,
    PRIMARY KEY (sha256)
);
CREATE TABLE environment (
    id BIGSERIAL NOT NULL,
    fingerprint TEXT NOT NULL,
    facts JSON NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (fingerprint)
);
CREATE TABLE metric (
    id BIGSERIAL NOT NULL,
    name TEXT NOT NULL,
    unit TEXT NOT NULL,
    better TEXT NOT NULL,
    source TEXT NOT NULL,
    meaning TEXT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (name)
);
CREATE TABLE schema_info (
    version INTEGER NOT NULL,
    sebsx_version TEXT NOT NULL,
    changed_at TEXT NOT NULL,
    PRIMARY KEY (version)
);
CREATE TABLE run (
    id BIGSERIAL NOT NULL,
    ulid TEXT NOT NULL,
    campaign TEXT NOT NULL,
    experiment TEXT NOT NULL,
    environment_id BIGINT NOT NULL,
    settings JSON NOT NULL,
    seed BIGINT NOT NULL,
    status TEXT NOT NULL,
    error TEXT,
    started_at TEXT NOT NULL,
    finished_at TEXT,
    heartbeat_at TEXT NOT NULL,
    owner JSON NOT NULL,
    design TEXT DEFAULT 'sequential' NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (ulid),
    FOREIGN KEY(environment_id) REFERENCES environment (id)
);
CREATE TABLE baseline (
    name TEXT NOT NULL,
    run_id BIGINT NOT NULL,
    set_at TEXT NOT NULL,
    PRIMARY KEY (name),
    FOREIGN KEY(run_id) REFERENCES run (id)
);
CREATE TABLE cell (
    id BIGSERIAL NOT NULL,
    run_id BIGINT NOT NULL,
    hash TEXT NOT NULL,
    position INTEGER NOT NULL,
    factors JSON NOT NULL,
    start_wanted TEXT,
    wanted INTEGER NOT NULL,
    status TEXT NOT NULL,
    stop_reason TEXT,
    error TEXT,
    PRIMARY KEY (id),
    UNIQUE (run_id, hash),
    FOREIGN KEY(run_id) REFERENCES run (id)
);
CREATE TABLE deployment (
    id BIGSERIAL NOT NULL,
    run_id BIGINT NOT NULL,
    platform TEXT NOT NULL,
    region TEXT,
    provider_id TEXT,
    benchmark TEXT NOT NULL,
    benchmark_version TEXT NOT NULL,
    benchmark_sha256 TEXT NOT NULL,
    language TEXT NOT NULL,
    language_version TEXT NOT NULL,
    size TEXT NOT NULL,
    parameters JSON NOT NULL,
    package_sha256 TEXT,
    package_bytes BIGINT,
    package_unpacked_bytes BIGINT,
    package_content_hash TEXT,
    package_cached BOOLEAN,
    requested JSON NOT NULL,
    effective JSON NOT NULL,
    architecture TEXT NOT NULL,
    memory_mib INTEGER NOT NULL,
    timeout_s DOUBLE PRECISION NOT NULL,
    status TEXT NOT NULL,
    error TEXT,
    build_s DOUBLE PRECISION,
    deploy_s DOUBLE PRECISION,
    created_at TEXT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(run_id) REFERENCES run (id)
);
CREATE INDEX deployment_run ON deployment (run_id);
CREATE TABLE resource (
    id BIGSERIAL NOT NULL,
    run_id BIGINT NOT NULL,
    platform TEXT NOT NULL,
    region TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    provider_id TEXT,
    state TEXT NOT NULL,
    tags JSON NOT NULL,
    changed_at TEXT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (run_id, platform, region, kind, name),
    FOREIGN KEY(run_id) REFERENCES run (id)
);
CREATE TABLE invocation (
    id BIGSERIAL NOT NULL,
    run_id BIGINT NOT NULL,
    deployment_id BIGINT NOT NULL,
    cell_id BIGINT,
    sequence BIGINT NOT NULL,
    batch INTEGER NOT NULL,
    kind TEXT NOT NULL,
    request_id TEXT NOT NULL,
    status TEXT NOT NULL,
    start_type TEXT NOT NULL,
    start_evidence TEXT NOT NULL,
    sandbox_id TEXT,
    error TEXT,
    client_intended_s DOUBLE PRECISION NOT NULL,
    client_sent_s DOUBLE PRECISION NOT NULL,
    client_connected_s DOUBLE PRECISION,
    client_first_byte_s DOUBLE PRECISION,
    client_done_s DOUBLE PRECISION NOT NULL,
    function_started_s DOUBLE PRECISION,
    function_finished_s DOUBLE PRECISION,
    function_duration_s DOUBLE PRECISION,
    provider_duration_s DOUBLE PRECISION,
    provider_init_s DOUBLE PRECISION,
    provider_billed_s DOUBLE PRECISION,
    provider_max_memory_bytes BIGINT,
    bytes_in BIGINT NOT NULL,
    bytes_out BIGINT NOT NULL,
    cost_usd DOUBLE PRECISION,
    round INTEGER,
    PRIMARY KEY (id),
    UNIQUE (run_id, sequence),
    FOREIGN KEY(run_id) REFERENCES run (id),
    FOREIGN KEY(deployment_id) REFERENCES deployment (id),
    FOREIGN KEY(cell_id) REFERENCES cell (id)
);
CREATE INDEX invocation_cell ON invocation (cell_id, sequence);
CREATE TABLE run_value (
    id BIGSERIAL NOT NULL,
    run_id BIGINT NOT NULL,
    deployment_id BIGINT,
    cell_id BIGINT,
    metric_id BIGINT NOT NULL,
    value DOUBLE PRECISION,
    text TEXT,
    stored_at TEXT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(run_id) REFERENCES run (id),
    FOREIGN KEY(deployment_id) REFERENCES deployment (id),
    FOREIGN KEY(cell_id) REFERENCES cell (id),
    FOREIGN KEY(metric_id) REFERENCES metric (id)
);
CREATE INDEX run_value_run ON run_value (run_id);
CREATE TABLE sandbox (
    id BIGSERIAL NOT NULL,
    deployment_id BIGINT NOT NULL,
    sandbox_id TEXT NOT NULL,
    facts JSON NOT NULL,
    seen_at TEXT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (deployment_id, sandbox_id),
    FOREIGN KEY(deployment_id) REFERENCES deployment (id)
);
CREATE TABLE sample (
    invocation_id BIGINT NOT NULL,
    metric_id BIGINT NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (invocation_id, metric_id),
    FOREIGN KEY(invocation_id) REFERENCES invocation (id),
    FOREIGN KEY(metric_id) REFERENCES metric (id)
);
CREATE VIEW invocations AS
SELECT r.ulid AS run, r.campaign, r.experiment, r.design,
       d.platform, d.region, d.benchmark, d.benchmark_version, d.size,
       d.language, d.language_version, d.architecture, d.memory_mib, c.start_wanted,
       i.sequence, i.batch, i.round, i.kind, i.status, i.start_type, i.request_id, i.sandbox_id, to_char(to_timestamp(i.client_sent_s) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS sent_at,
       i.client_done_s - i.client_sent_s AS client_latency_s,
       i.client_done_s - i.client_intended_s AS client_response_s,
       i.client_intended_s, i.client_sent_s, i.client_connected_s, i.client_first_byte_s, i.client_done_s,
       i.function_started_s, i.function_finished_s, i.function_duration_s,
       i.provider_duration_s, i.provider_init_s, i.provider_billed_s, i.provider_max_memory_bytes,
       i.bytes_in, i.bytes_out, i.cost_usd, i.error, i.start_evidence,
       i.id AS invocation_id, i.deployment_id, i.cell_id
FROM invocation i
JOIN run r ON r.id = i.run_id
JOIN deployment d ON d.id = i.deployment_id
LEFT JOIN cell c ON c.id = i.cell_id;
CREATE VIEW measured AS
SELECT * FROM invocations
WHERE kind = 'measured' AND status = 'ok'
  AND CASE start_wanted
      WHEN 'cold' THEN start_type IN ('cold', 'restored')
      WHEN 'warm' THEN start_type = 'warm'
      ELSE TRUE
      END;
