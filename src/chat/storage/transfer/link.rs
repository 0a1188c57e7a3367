//! A connection to either engine, as copying needs it.

use futures_util::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::sqlite::SqliteRow;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Postgres, QueryBuilder, Row,
    Sqlite, SqliteConnection,
};

use super::tables::{Kind, Table, Value};
use super::{CHUNK, Copied, TransferError, sqlite_path};
use crate::chat::config::Durability;
use crate::chat::storage::{postgres, sqlite};

/// One of the two databases of a copy.
pub(super) enum Link {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Runs the same code over either connection.
macro_rules! on_either {
    ($link:expr, $connection:ident => $body:expr) => {
        match $link {
            Link::Sqlite($connection) => $body,
            Link::Postgres($connection) => $body,
        }
    };
}

impl Link {
    /// Connects, and brings the schema up to date.
    pub(super) async fn open(url: &str) -> Result<Self, TransferError> {
        if let Some(path) = sqlite_path(url) {
            let mut connection = sqlite::options(path, Durability::Full).connect().await?;
            sqlite::migrate(&mut connection).await?;
            return Ok(Self::Sqlite(connection));
        }
        let options: PgConnectOptions = url.parse()?;
        let options = options
            .application_name("parlance")
            .disable_statement_logging();
        postgres::migrate(&options).await?;
        Ok(Self::Postgres(options.connect().await?))
    }

    /// Begins to read, and keeps everybody from writing.
    pub(super) async fn begin_copy(&mut self) -> Result<(), TransferError> {
        let tables = "BEGIN; LOCK TABLE users, sessions, chats, participants, messages, \
                      chat_events, reactions, notifications, name_parts, refresh_tokens \
                      IN EXCLUSIVE MODE";
        self.run(["BEGIN IMMEDIATE", tables]).await
    }

    /// Begins to read what is there now.
    pub(super) async fn begin_snapshot(&mut self) -> Result<(), TransferError> {
        self.run(["BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"])
            .await
    }

    /// Ends reading.
    pub(super) async fn end_copy(&mut self) -> Result<(), TransferError> {
        self.run(["ROLLBACK"; 2]).await
    }

    /// Begins to write.
    pub(super) async fn begin(&mut self) -> Result<(), TransferError> {
        self.run(["BEGIN IMMEDIATE", "BEGIN"]).await
    }

    /// Makes what was written durable.
    pub(super) async fn commit(&mut self) -> Result<(), TransferError> {
        self.run(["COMMIT"; 2]).await
    }

    pub(super) async fn close(self) -> Result<(), TransferError> {
        on_either!(self, connection => connection.close().await?);
        Ok(())
    }

    /// The first statement on SQLite, the second on PostgreSQL.
    async fn run(&mut self, [lite, postgres]: [&'static str; 2]) -> Result<(), TransferError> {
        match self {
            Self::Sqlite(connection) => sqlx::raw_sql(lite).execute(connection).await.map(drop)?,
            Self::Postgres(connection) => {
                sqlx::raw_sql(postgres)
                    .execute(connection)
                    .await
                    .map(drop)?;
            }
        }
        Ok(())
    }

    /// How many rows a table has.
    pub(super) async fn count(&mut self, table: &Table) -> Result<i64, TransferError> {
        let sql = AssertSqlSafe(table.count());
        Ok(on_either!(self, connection => sqlx::query_scalar(sql).fetch_one(connection).await?))
    }

    /// Reads a table, and writes it into `target` meanwhile. A few hundred rows
    /// are in memory at a time.
    pub(super) async fn read(
        &mut self,
        table: &'static Table,
        mut target: Option<&mut Self>,
    ) -> Result<Copied, TransferError> {
        let (mut hasher, mut count, mut chunk) = (Sha256::new(), 0, Vec::with_capacity(CHUNK));
        let sql = AssertSqlSafe(table.select());
        on_either!(self, connection => {
            let mut rows = sqlx::query(sql).fetch(connection);
            while let Some(row) = rows.try_next().await? {
                let row = row.values(table)?;
                row.iter().for_each(|value| value.hash(&mut hasher));
                count += 1;
                if let Some(target) = target.as_deref_mut() {
                    chunk.push(row);
                    if chunk.len() == CHUNK {
                        target.insert(table, std::mem::take(&mut chunk)).await?;
                    }
                }
            }
        });
        if let Some(target) = target.filter(|_| !chunk.is_empty()) {
            target.insert(table, chunk).await?;
        }
        Ok(Copied {
            table: table.name,
            rows: count,
            checksum: hasher.finalize().into(),
        })
    }

    async fn insert(&mut self, table: &Table, rows: Vec<Vec<Value>>) -> Result<(), TransferError> {
        macro_rules! insert {
            ($engine:ty, $connection:ident) => {{
                let mut insert = QueryBuilder::<$engine>::new(table.insert());
                insert.push_values(rows, |mut tuple, row| {
                    for value in row {
                        match value {
                            Value::Text(value) => tuple.push_bind(value),
                            Value::Integer(value) => tuple.push_bind(value),
                            Value::Flag(value) => tuple.push_bind(value),
                            Value::Bytes(value) => tuple.push_bind(value),
                        };
                    }
                });
                insert
                    .build()
                    .persistent(false)
                    .execute($connection)
                    .await?;
            }};
        }
        match self {
            Self::Sqlite(connection) => insert!(Sqlite, connection),
            Self::Postgres(connection) => insert!(Postgres, connection),
        }
        Ok(())
    }
}

/// A row of either engine.
trait Values {
    fn values(&self, table: &Table) -> Result<Vec<Value>, sqlx::Error>;
}

macro_rules! values_of {
    ($row:ty) => {
        impl Values for $row {
            fn values(&self, table: &Table) -> Result<Vec<Value>, sqlx::Error> {
                let columns = table.columns.iter().enumerate();
                let value = |(place, (_, kind)): (usize, &(&str, Kind))| match kind {
                    Kind::Text => self.try_get(place).map(Value::Text),
                    Kind::Integer => self.try_get(place).map(Value::Integer),
                    Kind::Flag => self.try_get(place).map(Value::Flag),
                    Kind::Bytes => self.try_get(place).map(Value::Bytes),
                };
                columns.map(value).collect()
            }
        }
    };
}

values_of!(SqliteRow);
values_of!(PgRow);
