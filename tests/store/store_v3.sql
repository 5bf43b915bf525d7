-- A store of version 3 with a finished cell and a load that was killed, as SQLite dumps it. Never change it.

BEGIN TRANSACTION;
CREATE TABLE artifact (
	sha256 TEXT NOT NULL,
	kind TEXT NOT NULL,
	bytes BIGINT NOT NULL,
	path TEXT NOT NULL,
	facts JSON NOT NULL,
	stored_at TEXT NOT NULL,
	PRIMARY KEY (sha256)
);
INSERT INTO "artifact" VALUES('cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd','package',123,'/cache/p.zip','{"requirements": ["a==1"]}','2026-11-29T22:05:42.825294+00:00');
CREATE TABLE baseline (
	name TEXT NOT NULL,
	run_id INTEGER NOT NULL,
	set_at TEXT NOT NULL,
	PRIMARY KEY (name),
	FOREIGN KEY(run_id) REFERENCES run (id)
);
INSERT INTO "baseline" VALUES('release',1,'2026-11-29T22:05:42.838686+00:00');
CREATE TABLE cell (
	id INTEGER NOT NULL,
	run_id INTEGER NOT NULL,
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
INSERT INTO "cell" VALUES(1,1,'003ece5069d1a09dfbfa6a53b351da8e9269a8aa768f4f89359ad41663cb0281',0,'{"platform": "local", "benchmark": "sleep", "start": "cold", "parameters": {}}','cold',10,'finished','enough samples',NULL);
INSERT INTO "cell" VALUES(2,1,'30671cda99a09e0bbbe16383cb64a849d7cc828ec547a0cb6993a393a8670b5d',1,'{"platform": "local", "benchmark": "sleep", "start": "warm", "parameters": {}, "load": "50/s"}','warm',10,'running',NULL,NULL);
CREATE TABLE deployment (
	id INTEGER NOT NULL,
	run_id INTEGER NOT NULL,
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
	timeout_s DOUBLE NOT NULL,
	status TEXT NOT NULL,
	error TEXT,
	build_s DOUBLE,
	deploy_s DOUBLE,
	created_at TEXT NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(run_id) REFERENCES run (id)
);
INSERT INTO "deployment" VALUES(1,1,'local','','fn-1','sleep','1.0','abababababababababababababababababababababababababababababababab','python','3.11','small','{"sleep_s": 0.1}',NULL,NULL,NULL,NULL,NULL,'{"name": "sebsx-sleep", "memory_mib": 128, "timeout_s": 10.0, "architecture": "x86_64", "environment": ["API_TOKEN"], "tags": {"sebsx-run": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}}','{"memory_mib": 256, "cgroup": "v2"}','x86_64',256,10.0,'ready',NULL,NULL,0.5,'2026-11-29T22:05:42.811815+00:00');
CREATE TABLE environment (
	id INTEGER NOT NULL,
	fingerprint TEXT NOT NULL,
	facts JSON NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (fingerprint)
);
INSERT INTO "environment" VALUES(1,'e8d47063c411daacc95db66d8230e7152e8bc97ce25034ebbd612dd68ef5bc9e','{"cpu_model": "EPYC"}');
CREATE TABLE invocation (
	id INTEGER NOT NULL,
	run_id INTEGER NOT NULL,
	deployment_id INTEGER NOT NULL,
	cell_id INTEGER,
	sequence BIGINT NOT NULL,
	batch INTEGER NOT NULL,
	kind TEXT NOT NULL,
	request_id TEXT NOT NULL,
	status TEXT NOT NULL,
	start_type TEXT NOT NULL,
	start_evidence TEXT NOT NULL,
	sandbox_id TEXT,
	error TEXT,
	client_intended_s DOUBLE NOT NULL,
	client_sent_s DOUBLE NOT NULL,
	client_connected_s DOUBLE,
	client_first_byte_s DOUBLE,
	client_done_s DOUBLE NOT NULL,
	function_started_s DOUBLE,
	function_finished_s DOUBLE,
	function_duration_s DOUBLE,
	provider_duration_s DOUBLE,
	provider_init_s DOUBLE,
	provider_billed_s DOUBLE,
	provider_max_memory_bytes BIGINT,
	bytes_in BIGINT NOT NULL,
	bytes_out BIGINT NOT NULL,
	cost_usd DOUBLE,
	round INTEGER,
	PRIMARY KEY (id),
	UNIQUE (run_id, sequence),
	FOREIGN KEY(run_id) REFERENCES run (id),
	FOREIGN KEY(deployment_id) REFERENCES deployment (id),
	FOREIGN KEY(cell_id) REFERENCES cell (id)
);
INSERT INTO "invocation" VALUES(1,1,1,1,1,0,'measured','r1','ok','cold','{"function": "cold"}','sb1',NULL,999.5,1000.0,1000.0625,1000.1875,1000.25,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,NULL,NULL);
INSERT INTO "invocation" VALUES(2,1,1,1,2,0,'measured','r2','ok','restored','{"function": "cold"}','sb1',NULL,999.5,1000.0,1000.0625,1000.1875,1000.25,NULL,NULL,NULL,NULL,0.5,NULL,NULL,0,0,2.0e-06,NULL);
INSERT INTO "invocation" VALUES(3,1,1,1,3,0,'measured','r3','timeout','cold','{"function": "cold"}','sb1','too slow',999.5,1000.0,1000.0625,1000.1875,1000.25,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,NULL,0);
INSERT INTO "invocation" VALUES(4,1,1,2,4,1,'measured','r4','ok','warm','{"function": "cold"}','sb1',NULL,999.5,1000.0,1000.0625,1000.1875,1000.25,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,NULL,NULL);
INSERT INTO "invocation" VALUES(5,1,1,2,5,1,'measured','r5','ok','warm','{"function": "cold"}','sb1',NULL,999.5,1000.0,1000.0625,1000.1875,1000.25,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,NULL,NULL);
INSERT INTO "invocation" VALUES(6,1,1,2,6,1,'measured','r6','ok','warm','{"function": "cold"}','sb1',NULL,999.5,1000.0,1000.0625,1000.1875,1000.25,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,NULL,NULL);
CREATE TABLE metric (
	id INTEGER NOT NULL,
	name TEXT NOT NULL,
	unit TEXT NOT NULL,
	better TEXT NOT NULL,
	source TEXT NOT NULL,
	meaning TEXT NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (name)
);
INSERT INTO "metric" VALUES(1,'client.latency_s','s','lower','client','from the request sent to the last byte of the answer');
INSERT INTO "metric" VALUES(2,'client.response_s','s','lower','client','from the intended time to the last byte of the answer');
INSERT INTO "metric" VALUES(3,'client.connect_s','s','lower','client','name look-up, TCP and TLS; 0 on a connection used before');
INSERT INTO "metric" VALUES(4,'client.first_byte_s','s','lower','client','from the request sent to the first byte of the answer');
INSERT INTO "metric" VALUES(5,'function.duration_s','s','lower','function','the handler alone, by the function''s monotonic clock');
INSERT INTO "metric" VALUES(6,'function.boot_s','s','lower','function','process start to the runtime shim; first call of a sandbox');
INSERT INTO "metric" VALUES(7,'function.import_s','s','lower','function','import of the function''s module; first call of a sandbox');
INSERT INTO "metric" VALUES(8,'provider.duration_s','s','lower','provider','duration as the provider reports it');
INSERT INTO "metric" VALUES(9,'provider.init_s','s','lower','provider','initialisation or restore as the provider reports it; new sandboxes only');
INSERT INTO "metric" VALUES(10,'provider.billed_s','s','lower','provider','billed duration as the provider reports it');
INSERT INTO "metric" VALUES(11,'provider.max_memory_bytes','bytes','lower','provider','peak memory of the sandbox, by the provider');
INSERT INTO "metric" VALUES(12,'cost_usd','USD','lower','cost_usd','cost of one invocation at the price book''s date');
INSERT INTO "metric" VALUES(13,'price_book','json','neither','price_book','price book by which invocations of a deployment were priced');
INSERT INTO "metric" VALUES(14,'reprice.cost_usd','USD','lower','reprice','mean cost of one invocation under another price book, named beside it');
INSERT INTO "metric" VALUES(15,'client.round_trip_s','s','lower','client','least time of a TCP connection to the function, without a request');
INSERT INTO "metric" VALUES(16,'client.input','json','neither','client','digest and size of the input that a deployment is called with');
INSERT INTO "metric" VALUES(17,'client.source','json','neither','client','where the code of a deployment''s benchmark is found');
INSERT INTO "metric" VALUES(18,'phase.*_s','s','lower','phase','time in a phase that the function marked');
INSERT INTO "metric" VALUES(19,'function.downloaded_bytes','bytes','neither','function','bytes read from storage by the function');
INSERT INTO "metric" VALUES(20,'function.uploaded_bytes','bytes','neither','function','bytes written to storage by the function');
INSERT INTO "metric" VALUES(21,'generator.started_s','s','neither','generator','Unix time at which a phase of load began');
INSERT INTO "metric" VALUES(22,'generator.duration_s','s','neither','generator','time from there to its last answer');
INSERT INTO "metric" VALUES(23,'generator.lateness_p50_s','s','lower','generator','median of sent minus intended');
INSERT INTO "metric" VALUES(24,'generator.lateness_p99_s','s','lower','generator','p99 of sent minus intended');
INSERT INTO "metric" VALUES(25,'generator.lateness_max_s','s','lower','generator','largest sent minus intended');
INSERT INTO "metric" VALUES(26,'generator.late','count','lower','generator','requests sent more than 1 ms after their time');
INSERT INTO "metric" VALUES(27,'generator.dropped','count','lower','generator','requests not sent, because too many were in flight');
INSERT INTO "metric" VALUES(28,'generator.cpu_share','1','lower','generator','share of the time that the load generator''s thread was busy');
INSERT INTO "metric" VALUES(29,'generator.in_flight_max','count','neither','generator','most requests in flight at once');
INSERT INTO "metric" VALUES(30,'process.cpu_s','s','lower','process','');
INSERT INTO "metric" VALUES(31,'phase.a_s','s','lower','phase','time in a phase that the function marked');
CREATE TABLE resource (
	id INTEGER NOT NULL,
	run_id INTEGER NOT NULL,
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
INSERT INTO "resource" VALUES(1,1,'local','local','function','sebsx-sleep','fn-1','created','{"sebsx-run": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}','2026-11-29T22:05:42.836771+00:00');
CREATE TABLE run (
	id INTEGER NOT NULL,
	ulid TEXT NOT NULL,
	campaign TEXT NOT NULL,
	experiment TEXT NOT NULL,
	environment_id INTEGER NOT NULL,
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
INSERT INTO "run" VALUES(1,'01ARZ3NDEKTSV4RRFFQ69G5FAV','','perf-cost',1,'{"core": {"seed": 7}, "experiment": {"memory_mib": [128, 256]}}',7,'running',NULL,'2026-01-02T03:04:05.000000+00:00',NULL,'2026-11-29T22:05:42.829838+00:00','{"host": "client-1", "boot_id": "6a0c", "pid": 4242, "process_started": "99"}','sequential');
CREATE TABLE run_value (
	id INTEGER NOT NULL,
	run_id INTEGER NOT NULL,
	deployment_id INTEGER,
	cell_id INTEGER,
	metric_id INTEGER NOT NULL,
	value DOUBLE,
	text TEXT,
	stored_at TEXT NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(run_id) REFERENCES run (id),
	FOREIGN KEY(deployment_id) REFERENCES deployment (id),
	FOREIGN KEY(cell_id) REFERENCES cell (id),
	FOREIGN KEY(metric_id) REFERENCES metric (id)
);
INSERT INTO "run_value" VALUES(1,1,NULL,2,21,990.0,NULL,'2026-11-29T22:05:42.828395+00:00');
CREATE TABLE sample (
	invocation_id INTEGER NOT NULL,
	metric_id INTEGER NOT NULL,
	value DOUBLE NOT NULL,
	PRIMARY KEY (invocation_id, metric_id),
	FOREIGN KEY(invocation_id) REFERENCES invocation (id),
	FOREIGN KEY(metric_id) REFERENCES metric (id)
)
 WITHOUT ROWID

;
INSERT INTO "sample" VALUES(1,31,1.0);
CREATE TABLE sandbox (
	id INTEGER NOT NULL,
	deployment_id INTEGER NOT NULL,
	sandbox_id TEXT NOT NULL,
	facts JSON NOT NULL,
	seen_at TEXT NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (deployment_id, sandbox_id),
	FOREIGN KEY(deployment_id) REFERENCES deployment (id)
);
INSERT INTO "sandbox" VALUES(1,1,'sb1','{"cpu_model": "EPYC"}','2026-11-29T22:05:42.823071+00:00');
CREATE TABLE schema_info (
	version INTEGER NOT NULL,
	sebsx_version TEXT NOT NULL,
	changed_at TEXT NOT NULL,
	PRIMARY KEY (version)
);
INSERT INTO "schema_info" VALUES(3,'0.1.0','2026-11-29T22:05:42.774400+00:00');
CREATE INDEX deployment_run ON deployment (run_id);
CREATE INDEX invocation_cell ON invocation (cell_id, sequence);
CREATE INDEX run_value_run ON run_value (run_id);
CREATE VIEW invocations AS
SELECT r.ulid AS run, r.campaign, r.experiment, r.design,
       d.platform, d.region, d.benchmark, d.benchmark_version, d.size,
       d.language, d.language_version, d.architecture, d.memory_mib, c.start_wanted,
       i.sequence, i.batch, i.round, i.kind, i.status, i.start_type, i.request_id, i.sandbox_id, strftime('%Y-%m-%dT%H:%M:%fZ', i.client_sent_s, 'unixepoch') AS sent_at,
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
COMMIT;
