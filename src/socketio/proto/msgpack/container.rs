//! Lists and maps that are being written. Their headers say how many elements follow, which not every
//! type knows beforehand.

use serde::ser::{self, Serialize};

use super::de::{Error, error};
use super::key::KeyText;
use super::read::Reader;
use super::ser::Writer;
use super::write::{Kind, put_count, put_text};

/// A list or a map that is being written.
pub(crate) struct Container<'o> {
    out: &'o mut Vec<u8>,
    form: Form,
    /// Elements, or entries, that were written.
    count: usize,
}

enum Form {
    /// The header stands in this place, and says this.
    Counted {
        kind: Kind,
        begin: usize,
        header: usize,
        claimed: Option<usize>,
    },
    /// A list of arguments, whose number was written by who asked for it.
    Arguments { claimed: usize },
    /// A text that is finished JSON.
    RawJson { begin: usize },
}

impl<'o> Container<'o> {
    /// A list or a map of so many elements, if that is known.
    pub(super) fn begin(out: &'o mut Vec<u8>, kind: Kind, claimed: Option<usize>) -> Self {
        let begin = out.len();
        put_count(out, kind, claimed.unwrap_or(0));
        let header = out.len() - begin;
        let form = Form::Counted {
            kind,
            begin,
            header,
            claimed,
        };
        Self {
            out,
            form,
            count: 0,
        }
    }

    /// The elements of a list whose header was written by who asked for them.
    pub(super) fn arguments(out: &'o mut Vec<u8>, claimed: usize) -> Self {
        Self {
            out,
            form: Form::Arguments { claimed },
            count: 0,
        }
    }

    /// Room for a text that is finished JSON.
    pub(super) fn raw_json(out: &'o mut Vec<u8>) -> Self {
        let begin = out.len();
        put_count(out, Kind::List, 1);
        Self {
            out,
            form: Form::RawJson { begin },
            count: 0,
        }
    }

    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.count += 1;
        value.serialize(Writer::new(self.out))
    }

    fn add_entry<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), Error> {
        if !matches!(self.form, Form::RawJson { .. }) {
            put_text(self.out, key);
        }
        self.add(value)
    }

    fn finish(self) -> Result<(), Error> {
        match self.form {
            Form::Counted { claimed, .. } if claimed == Some(self.count) => Ok(()),
            Form::Counted {
                kind,
                begin,
                header,
                ..
            } => {
                let mut right = Vec::new();
                put_count(&mut right, kind, self.count);
                self.out.splice(begin..begin + header, right);
                Ok(())
            }
            Form::Arguments { claimed } if claimed == self.count => Ok(()),
            Form::Arguments { .. } => Err(error("a tuple has another length than it says")),
            Form::RawJson { begin } => from_json(self.out, begin),
        }
    }
}

/// Replaces the text at `begin`, which is JSON, by its value.
#[expect(
    clippy::indexing_slicing,
    reason = "the text was written behind this place"
)]
fn from_json(out: &mut Vec<u8>, begin: usize) -> Result<(), Error> {
    let json: String = de_text(&out[begin..])?;
    out.truncate(begin);
    let value: serde_json::Value = serde_json::from_str(&json)?;
    value.serialize(Writer::new(out))
}

fn de_text(bytes: &[u8]) -> Result<String, Error> {
    // The container's own header stands before it.
    let mut reader = Reader::new(bytes);
    let [json]: [String; 1] = serde::Deserialize::deserialize(&mut reader)?;
    Ok(json)
}

impl ser::SerializeSeq for Container<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.add(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeTuple for Container<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.add(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeTupleStruct for Container<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.add(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeTupleVariant for Container<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.add(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeMap for Container<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        let key = key.serialize(KeyText)?;
        put_text(self.out, &key);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.add(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeStruct for Container<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.add_entry(key, value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl ser::SerializeStructVariant for Container<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.add_entry(key, value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}
