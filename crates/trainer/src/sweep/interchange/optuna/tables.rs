//! Which tables has a file of Optuna, and what may stand in a cell of numbers?

use rusqlite::Connection;

/// The revision of the tables, of which Optuna asks first.
pub const REVISION: &str = "v3.2.0.a";
/// The same as a number.
pub const SCHEMA: i64 = 12;
/// The oldest program that has these tables.
pub const PROGRAM: &str = "3.2.0";
/// Under which attribute of a study stands who wrote it.
pub const MADE_BY: &str = "made_by";

/// Of each table what it is called and what its columns are. Attributes are kept in four tables of one form.
const TABLES: &[(&str, &str)] = &[
    ("alembic_version", "version_num VARCHAR(32) NOT NULL PRIMARY KEY"),
    (
        "version_info",
        "version_info_id INTEGER NOT NULL PRIMARY KEY CHECK (version_info_id = 1),
         schema_version INTEGER, library_version VARCHAR(256)",
    ),
    ("studies", "study_id INTEGER NOT NULL PRIMARY KEY, study_name VARCHAR(512) NOT NULL"),
    (
        "study_directions",
        "study_direction_id INTEGER NOT NULL PRIMARY KEY, direction VARCHAR(8) NOT NULL,
         study_id INTEGER NOT NULL REFERENCES studies (study_id), objective INTEGER NOT NULL,
         UNIQUE (study_id, objective)",
    ),
    (
        "trials",
        "trial_id INTEGER NOT NULL PRIMARY KEY, number INTEGER, study_id INTEGER REFERENCES studies (study_id),
         state VARCHAR(8) NOT NULL, datetime_start DATETIME, datetime_complete DATETIME",
    ),
    (
        "trial_params",
        "param_id INTEGER NOT NULL PRIMARY KEY, trial_id INTEGER REFERENCES trials (trial_id),
         param_name VARCHAR(512), param_value FLOAT, distribution_json TEXT, UNIQUE (trial_id, param_name)",
    ),
    (
        "trial_values",
        "trial_value_id INTEGER NOT NULL PRIMARY KEY, trial_id INTEGER NOT NULL REFERENCES trials (trial_id),
         objective INTEGER NOT NULL, value FLOAT, value_type VARCHAR(7) NOT NULL, UNIQUE (trial_id, objective)",
    ),
    (
        "trial_intermediate_values",
        "trial_intermediate_value_id INTEGER NOT NULL PRIMARY KEY,
         trial_id INTEGER NOT NULL REFERENCES trials (trial_id), step INTEGER NOT NULL, intermediate_value FLOAT,
         intermediate_value_type VARCHAR(7) NOT NULL, UNIQUE (trial_id, step)",
    ),
    (
        "trial_heartbeats",
        "trial_heartbeat_id INTEGER NOT NULL PRIMARY KEY, trial_id INTEGER NOT NULL UNIQUE REFERENCES trials (trial_id),
         heartbeat DATETIME NOT NULL",
    ),
];

/// Makes all tables, with the revision in them.
///
/// # Errors
/// What the database says.
pub fn create(on: &Connection) -> rusqlite::Result<()> {
    for (name, columns) in TABLES {
        on.execute(&format!("CREATE TABLE {name} ({columns})"), [])?;
    }
    for of in ["study", "trial"] {
        let parents = if of == "study" { "studies" } else { "trials" };
        for kind in ["user", "system"] {
            let table = format!(
                "CREATE TABLE {of}_{kind}_attributes ({of}_{kind}_attribute_id INTEGER NOT NULL PRIMARY KEY,
                 {of}_id INTEGER REFERENCES {parents} ({of}_id), \"key\" VARCHAR(512), value_json TEXT,
                 UNIQUE ({of}_id, \"key\"))"
            );
            on.execute(&table, [])?;
        }
    }
    on.execute("CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name)", [])?;
    on.execute("CREATE INDEX ix_trials_study_id ON trials (study_id)", [])?;
    on.execute("INSERT INTO alembic_version VALUES (?1)", [REVISION])?;
    on.execute("INSERT INTO version_info VALUES (1, ?1, ?2)", (SCHEMA, PROGRAM))?;
    Ok(())
}

/// A number as a cell and the word beside it.
pub fn cells(number: f64) -> (Option<f64>, &'static str) {
    match number {
        number if number.is_nan() => (None, "NAN"),
        f64::INFINITY => (None, "INF_POS"),
        f64::NEG_INFINITY => (None, "INF_NEG"),
        number => (Some(number), "FINITE"),
    }
}

/// The number of a cell and the word beside it; nothing if they do not go together.
pub fn number(cell: Option<f64>, word: &str) -> Option<f64> {
    match (cell, word) {
        (Some(number), "FINITE") => Some(number),
        (None, "NAN") => Some(f64::NAN),
        (_, "INF_POS") => Some(f64::INFINITY),
        (_, "INF_NEG") => Some(f64::NEG_INFINITY),
        _ => None,
    }
}
