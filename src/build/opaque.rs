//! Values that go from one statement into another as they came: no program reads them, and no server's log shows them.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgRow, PgTypeInfo, PgValueFormat};
use sqlx::{Encode, Postgres, Row, Type, ValueRef};

use crate::database::{ErrorKind, SqlError};

/// A value in the server's binary form, such as an array of keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Opaque {
    type_oid: Oid,
    /// `None` is NULL.
    bytes: Option<Vec<u8>>,
}

impl Opaque {
    /// A column of a row.
    ///
    /// # Errors
    /// Where the server sent no binary form.
    pub fn of(row: &PgRow, column: &str) -> Result<Self, SqlError> {
        let value = row.try_get_raw(column)?;
        let unreadable = |message: &str| SqlError::new(ErrorKind::Internal, format!("{column}: {message}"));
        let type_oid = value.type_info().oid().ok_or_else(|| unreadable("a value without a type"))?;
        if value.is_null() {
            return Ok(Self { type_oid, bytes: None });
        }
        if value.format() != PgValueFormat::Binary {
            return Err(unreadable("a value without a binary form"));
        }
        let bytes = value.as_bytes().map_err(|error| unreadable(&error.to_string()))?.to_vec();
        Ok(Self { type_oid, bytes: Some(bytes) })
    }

    /// Its type, as this server numbers it.
    pub fn type_oid(&self) -> u32 {
        self.type_oid.0
    }

    /// Whether it is NULL.
    pub fn is_null(&self) -> bool {
        self.bytes.is_none()
    }
}

impl Type<Postgres> for Opaque {
    fn type_info() -> PgTypeInfo {
        // Each value says its own.
        PgTypeInfo::with_oid(Oid(0))
    }
}

impl Encode<'_, Postgres> for Opaque {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let Some(bytes) = &self.bytes else { return Ok(IsNull::Yes) };
        buffer.extend_from_slice(bytes);
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_oid(self.type_oid))
    }
}

/// Its bytes are nobody's business.
impl std::fmt::Debug for Opaque {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opaque({}, {} bytes)", self.type_oid.0, self.bytes.as_ref().map_or(0, Vec::len))
    }
}
