-- metadata/backup-catalog.db, the index of what is on the share (read and written by orchestrator/catalog alone). It can be lost at any time
-- and is made again from the share. A change of these tables raises user_version; a program refuses a number higher than its own.
--
-- Times are seconds since 1970 (UTC), 0: never. Text that is not known is NULL.

CREATE TABLE entry (
        id INTEGER PRIMARY KEY,
        vm TEXT NOT NULL,
        hypervisor TEXT,
        point TEXT,                                     -- the folder's name; NULL for a job that made no point
        job TEXT,                                       -- NULL for a point whose metadata cannot be read
        status TEXT NOT NULL CHECK (status IN ('ok', 'failed', 'cancelled', 'damaged')),
        level TEXT,
        method TEXT,
        consistency TEXT,
        path TEXT UNIQUE,                               -- of the point, relative to the repository
        uuid TEXT,                                      -- of the VM
        virtual_bytes INTEGER NOT NULL,
        stored_bytes INTEGER NOT NULL,
        started INTEGER NOT NULL,
        finished INTEGER NOT NULL,
        duration_seconds INTEGER NOT NULL,
        freeze_milliseconds INTEGER NOT NULL,
        parent TEXT,                                    -- name of the point that this one needs
        held INTEGER NOT NULL CHECK (held IN (0, 1)),
        verified INTEGER NOT NULL,
        proven INTEGER NOT NULL,
        proof_at INTEGER NOT NULL,                      -- the last test-restore of the point; these five as in state.json
        proof TEXT CHECK (proof IN ('booted', 'tests-failed', 'not-bootable')),
        proof_reason TEXT,
        boot_milliseconds INTEGER NOT NULL,
        proof_evidence TEXT NOT NULL,                   -- a JSON array of strings
        warnings TEXT NOT NULL,                         -- a JSON array of strings
        error TEXT,
        error_kind TEXT,
        CHECK ((point IS NULL) = (path IS NULL)),
        CHECK (path IS NULL OR status IN ('ok', 'damaged'))
);
CREATE INDEX entry_by_vm ON entry (vm, started);
CREATE INDEX entry_by_start ON entry (started);
CREATE INDEX entry_by_job ON entry (job);

-- The VM that a name stands for since its first backup: a namesake with another UUID is refused.
CREATE TABLE pin (
        vm TEXT PRIMARY KEY NOT NULL,
        uuid TEXT NOT NULL,
        hypervisor TEXT NOT NULL                        -- its home
) WITHOUT ROWID;

-- One row. A new catalog is empty, not true: until it was compared with the share once, a rebuild is wanted, also after a crash in between.
CREATE TABLE condition (
        reconciled INTEGER NOT NULL CHECK (reconciled IN (0, 1))
);
INSERT INTO condition (reconciled) VALUES (0);

PRAGMA application_id = 1869767528;                     -- "orch"
PRAGMA user_version = 2;
