//! One statement for both engines.
//!
//! Its text is constant, so that it is prepared once. Parameters are `$1`, `$2`
//! and so on, which both engines count. Where the engines differ, the two texts
//! stand side by side in one [`Sql`].

use serde::Serialize;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query as Prepared;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Encode, FromRow, PgConnection, Postgres, Sqlite, SqliteConnection, Type};

use super::StoreError;
use super::rows::json_list;

/// A connection to either engine.
pub(super) enum Db<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl Db<'_> {
    /// A statement whose parameters are still to be bound.
    pub(super) fn query(&mut self, sql: impl Into<Sql>) -> Query<'_> {
        let sql = sql.into();
        match self {
            Self::Sqlite(connection) => Query::Sqlite(connection, sqlx::query(sql.sqlite)),
            Self::Postgres(connection) => Query::Postgres(connection, sqlx::query(sql.postgres)),
        }
    }

    /// Runs a statement that has neither parameters nor rows. PostgreSQL does not
    /// prepare it: that would be a round trip of its own.
    pub(super) async fn run(&mut self, sql: &'static str) -> Result<(), StoreError> {
        let done = match self {
            Self::Sqlite(connection) => sqlx::query(sql).execute(&mut **connection).await.map(drop),
            Self::Postgres(connection) => {
                let statement = sqlx::raw_sql(sql);
                statement.execute(&mut **connection).await.map(drop)
            }
        };
        Ok(done?)
    }
}

/// The text of a statement on each engine. They are written out beside each
/// other where a list has rows: SQLite takes each apart with `->>`, PostgreSQL
/// names the columns.
#[derive(Clone, Copy)]
pub(super) struct Sql {
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
}

impl From<&'static str> for Sql {
    fn from(text: &'static str) -> Self {
        Self {
            sqlite: text,
            postgres: text,
        }
    }
}

/// A statement with a list in it: `among` compares what stands before it with
/// the list, `each` is a table of it whose column is `value`. SQLite has no
/// arrays; PostgreSQL has better plans for them than for tables of its own
/// making.
macro_rules! sql {
    ($before:literal, among($list:literal) $(, $after:literal)?) => {
        $crate::chat::storage::sql::Sql {
            sqlite: concat!($before, "IN (SELECT value FROM json_each(", $list, "))" $(, $after)?),
            postgres: concat!($before, "= ANY(", $list, ")" $(, $after)?),
        }
    };
    ($before:literal, each($list:literal)) => {
        $crate::chat::storage::sql::Sql {
            sqlite: concat!($before, "json_each(", $list, ")"),
            postgres: concat!($before, "unnest(", $list, ") AS item (value)"),
        }
    };
}

pub(super) use sql;

/// What both engines can bind.
pub(super) trait Value<'t>:
    Encode<'t, Sqlite> + Type<Sqlite> + Encode<'t, Postgres> + Type<Postgres>
{
}

impl<'t, T> Value<'t> for T where
    T: Encode<'t, Sqlite> + Type<Sqlite> + Encode<'t, Postgres> + Type<Postgres>
{
}

/// What is made of a row of either engine.
pub(super) trait Row:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl<T: Send + Unpin> Row for T
where
    T: for<'r> FromRow<'r, SqliteRow>,
    T: for<'r> FromRow<'r, PgRow>,
{
}

/// A statement over a connection; values are bound in the order of their numbers.
#[must_use = "it does nothing until it is awaited"]
pub(super) enum Query<'c> {
    Sqlite(
        &'c mut SqliteConnection,
        Prepared<'static, Sqlite, SqliteArguments>,
    ),
    Postgres(
        &'c mut PgConnection,
        Prepared<'static, Postgres, PgArguments>,
    ),
}

/// Runs the same code over either engine's query.
macro_rules! on_either {
    ($query:expr, $connection:ident, $prepared:ident => $run:expr) => {
        match $query {
            Query::Sqlite($connection, $prepared) => $run,
            Query::Postgres($connection, $prepared) => $run,
        }
    };
}

impl Query<'_> {
    pub(super) fn bind<'t>(self, value: impl Value<'t>) -> Self {
        match self {
            Self::Sqlite(connection, query) => Self::Sqlite(connection, query.bind(value)),
            Self::Postgres(connection, query) => Self::Postgres(connection, query.bind(value)),
        }
    }

    /// A list, for `among` and `each`: JSON on SQLite, an array on PostgreSQL.
    pub(super) fn bind_list<'t, T>(self, list: impl Iterator<Item = T>) -> Self
    where
        T: Serialize,
        Vec<T>: Encode<'t, Postgres> + Type<Postgres>,
    {
        match self {
            Self::Sqlite(connection, query) => {
                Self::Sqlite(connection, query.bind(json_list(list)))
            }
            Self::Postgres(connection, query) => {
                Self::Postgres(connection, query.bind(list.collect::<Vec<T>>()))
            }
        }
    }

    /// A list of pairs: one parameter of SQLite, JSON like `[["a", 1]]`, and two
    /// of PostgreSQL, an array for each half.
    pub(super) fn bind_pairs<'t, A, B>(self, pairs: impl Iterator<Item = (A, B)>) -> Self
    where
        (A, B): Serialize,
        Vec<A>: Encode<'t, Postgres> + Type<Postgres>,
        Vec<B>: Encode<'t, Postgres> + Type<Postgres>,
    {
        match self {
            Self::Sqlite(connection, query) => {
                Self::Sqlite(connection, query.bind(json_list(pairs)))
            }
            Self::Postgres(connection, query) => {
                let (first, second): (Vec<A>, Vec<B>) = pairs.unzip();
                Self::Postgres(connection, query.bind(first).bind(second))
            }
        }
    }

    pub(super) async fn fetch_all<T: Row>(self) -> Result<Vec<T>, StoreError> {
        let rows = on_either!(self, connection, query => {
            query.try_map(|row| T::from_row(&row)).fetch_all(connection).await
        });
        Ok(rows?)
    }

    pub(super) async fn fetch_optional<T: Row>(self) -> Result<Option<T>, StoreError> {
        let row = on_either!(self, connection, query => {
            query.try_map(|row| T::from_row(&row)).fetch_optional(connection).await
        });
        Ok(row?)
    }

    /// The only row; it is an error when there is none.
    pub(super) async fn fetch_one<T: Row>(self) -> Result<T, StoreError> {
        let row = self.fetch_optional().await?;
        row.ok_or_else(|| sqlx::Error::RowNotFound.into())
    }

    pub(super) async fn execute(self) -> Result<(), StoreError> {
        self.rows_affected().await.map(drop)
    }

    /// Executes it, and says how many rows it has changed.
    pub(super) async fn rows_affected(self) -> Result<u64, StoreError> {
        let changed = on_either!(self, connection, query => {
            query.execute(connection).await.map(|done| done.rows_affected())
        });
        Ok(changed?)
    }
}
