//! Requests, read from JSON.
//!
//! Every field is read as the type that it has, and one that no command knows ends the reading at once: nothing is skipped,
//! so that no nesting of brackets can take the stack away.

use super::error::Error;
use core::fmt;
use pixelrnn::Temperature;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json_core::de::Error as Json;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// What the device has.
    Info,
    /// Sets the temperature of requests that say none.
    Temperature,
    /// Draws an image.
    Sample,
    /// The likelihood of an image.
    Score,
    /// Draws an image below given rows.
    Complete,
    /// Stops the image in the making.
    Stop,
}

impl Command {
    const ALL: [Self; 6] = [Self::Info, Self::Temperature, Self::Sample, Self::Score, Self::Complete, Self::Stop];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Temperature => "temperature",
            Self::Sample => "sample",
            Self::Score => "score",
            Self::Complete => "complete",
            Self::Stop => "stop",
        }
    }

    /// The fields that it may have, and whether it must have them.
    const fn fields(self) -> &'static [(Field, bool)] {
        use Field::{Image, Label, Model, Rows, Seed, Temperature, Value};
        match self {
            Self::Info | Self::Stop => &[],
            Self::Temperature => &[(Value, true)],
            Self::Sample => &[(Model, false), (Seed, false), (Label, false), (Temperature, false)],
            Self::Score => &[(Image, true), (Model, false), (Label, false)],
            Self::Complete => &[
                (Image, true),
                (Rows, true),
                (Model, false),
                (Seed, false),
                (Label, false),
                (Temperature, false),
            ],
        }
    }
}

/// A field of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// What to do.
    Cmd,
    /// Name of the model.
    Model,
    /// All values of an image, in digits.
    Image,
    /// How many rows are given.
    Rows,
    /// The seed of the draws.
    Seed,
    /// The class.
    Label,
    /// The temperature of this image.
    Temperature,
    /// The temperature of images from now on.
    Value,
}

impl Field {
    pub(super) const ALL: [Self; 8] = [
        Self::Cmd,
        Self::Model,
        Self::Image,
        Self::Rows,
        Self::Seed,
        Self::Label,
        Self::Temperature,
        Self::Value,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cmd => "cmd",
            Self::Model => "model",
            Self::Image => "image",
            Self::Rows => "rows",
            Self::Seed => "seed",
            Self::Label => "label",
            Self::Temperature => "temperature",
            Self::Value => "value",
        }
    }

    const fn is_whole(self) -> bool {
        matches!(self, Self::Rows | Self::Seed | Self::Label)
    }

    /// What it must be, for messages.
    pub(super) const fn expected(self) -> &'static str {
        match self {
            Self::Cmd | Self::Model => "a text",
            Self::Image => "a text of hexadecimal digits",
            Self::Rows | Self::Seed | Self::Label => "a whole number from 0 to 18446744073709551615",
            Self::Temperature | Self::Value => "a number",
        }
    }
}

/// A request whose fields are those of its command; what they say is not checked yet.
#[derive(Debug, Default)]
pub(super) struct Request<'a> {
    name: Option<&'a str>,
    pub(super) model: Option<&'a str>,
    pub(super) image: Option<&'a str>,
    pub(super) rows: Option<u64>,
    pub(super) seed: Option<u64>,
    pub(super) label: Option<u64>,
    pub(super) temperature: Option<f32>,
    pub(super) value: Option<f32>,
    /// The field that is being read, or was read last.
    at: Option<Field>,
    /// What is wrong, where it is not for the JSON parser to say.
    fault: Option<Error>,
}

impl<'a> Request<'a> {
    /// Reads a line.
    pub(super) fn read(line: &'a [u8]) -> Result<Self, Error> {
        let mut request = Self::default();
        let mut json = serde_json_core::de::Deserializer::new(line, None);
        let read = request.deserialize(&mut json).and_then(|()| json.end());
        if let Some(fault) = request.fault {
            return Err(fault);
        }
        match (read, request.at) {
            (Ok(_), _) => {}
            (Err(Json::InvalidType | Json::InvalidNumber), Some(field)) => return Err(Error::Wrong(field)),
            // The parser stops reading a whole number at its point, and misses a comma there.
            (Err(Json::ExpectedObjectCommaOrEnd), Some(field)) if field.is_whole() => {
                return Err(Error::Wrong(field));
            }
            (Err(_), _) => return Err(Error::NotJson),
        }
        request.check()?;
        Ok(request)
    }

    fn check(&self) -> Result<(), Error> {
        let command = self.command()?;
        for field in Field::ALL {
            let rule = command.fields().iter().find(|(named, _)| *named == field);
            match (self.has(field), rule) {
                (true, None) if field != Field::Cmd => return Err(Error::NotTaken { command, field }),
                (false, Some((_, true))) => return Err(Error::Missing { command, field }),
                _ => {}
            }
        }
        Ok(())
    }

    /// What it asks for.
    pub(super) fn command(&self) -> Result<Command, Error> {
        let name = self.name.ok_or(Error::NoCommand)?;
        Command::ALL.into_iter().find(|command| command.name() == name).ok_or(Error::UnknownCommand)
    }

    fn has(&self, field: Field) -> bool {
        match field {
            Field::Cmd => self.name.is_some(),
            Field::Model => self.model.is_some(),
            Field::Image => self.image.is_some(),
            Field::Rows => self.rows.is_some(),
            Field::Seed => self.seed.is_some(),
            Field::Label => self.label.is_some(),
            Field::Temperature => self.temperature.is_some(),
            Field::Value => self.value.is_some(),
        }
    }

    /// Keeps what is wrong, and ends the reading.
    fn fail<E: serde::de::Error>(&mut self, fault: Error) -> E {
        self.fault = Some(fault);
        E::custom("")
    }
}

impl<'a> DeserializeSeed<'a> for &mut Request<'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for &mut Request<'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<&str>()? {
            let Some(field) = Field::ALL.into_iter().find(|field| field.name() == key) else {
                return Err(self.fail(Error::UnknownField));
            };
            if self.has(field) {
                return Err(self.fail(Error::Twice(field)));
            }
            self.at = Some(field);
            match field {
                Field::Cmd => self.name = Some(map.next_value()?),
                Field::Model => self.model = Some(map.next_value()?),
                Field::Image => self.image = Some(map.next_value()?),
                Field::Rows => self.rows = Some(map.next_value()?),
                Field::Seed => self.seed = Some(map.next_value()?),
                Field::Label => self.label = Some(map.next_value()?),
                Field::Temperature => self.temperature = Some(map.next_value()?),
                Field::Value => self.value = Some(map.next_value()?),
            }
        }
        Ok(())
    }
}

/// A temperature in thousandths, rounded to the nearest; what is not a temperature of the engine's is an error.
pub(super) fn milli(temperature: f32) -> Result<u32, Error> {
    // The cast takes what is too large, negative or not a number to the ends of the range, which are no temperatures.
    let milli = (temperature * 1000.0 + 0.5) as u32;
    if Temperature::RANGE_MILLI.contains(&milli) { Ok(milli) } else { Err(Error::Temperature) }
}
