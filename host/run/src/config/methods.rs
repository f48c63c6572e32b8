//! The value of `distill.method`: one distillation method, or several that work together.

use super::Method;
use a2d_core::needs::Needs;
use serde::de::value::StrDeserializer;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A set of methods: the student learns by all of them. The order of their names has no meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Methods(Vec<Method>);

impl Methods {
    /// These methods together.
    ///
    /// # Errors
    ///
    /// The methods have no meaning together; the text goes after the key.
    pub fn new(mut methods: Vec<Method>) -> Result<Self, String> {
        methods.sort_unstable();
        if methods.is_empty() {
            return Err("names no method: give one, or \"none\"".to_owned());
        }
        for pair in methods.windows(2) {
            if let [one, two] = pair
                && one == two
            {
                return Err(format!("names \"{one}\" twice"));
            }
        }
        if methods.len() > 1 && methods.contains(&Method::None) {
            return Err("names \"none\" and another method: leave one of them out".to_owned());
        }
        Ok(Self(methods))
    }

    /// The inputs that the methods need in training.
    pub fn needs(&self) -> Needs {
        self.iter().fold(Needs::NONE, |all, method| all | method.needs())
    }

    /// Whether `method` is one of them.
    pub fn has(&self, method: Method) -> bool {
        self.0.contains(&method)
    }

    /// The methods in the order of declaration.
    pub fn iter(&self) -> impl Iterator<Item = Method> {
        self.0.iter().copied()
    }

    /// The display name of a student trained by these methods.
    pub fn student(&self) -> String {
        if self.has(Method::None) {
            return "student".to_owned();
        }
        let titles: Vec<_> = self.iter().map(Method::title).collect();
        format!("student by {}", titles.join(" + "))
    }

    fn read<'a, E: Error>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, E> {
        let read = |name: &'a str| Method::deserialize(StrDeserializer::<E>::new(name.trim()));
        let methods = names.into_iter().map(read).collect::<Result<_, E>>()?;
        Self::new(methods).map_err(E::custom)
    }
}

impl From<Method> for Methods {
    fn from(method: Method) -> Self {
        Self(vec![method])
    }
}

/// The names as in the configuration, joined by ` + `.
impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(|method| method.to_string()).collect();
        f.write_str(&names.join(" + "))
    }
}

/// A single method is text, as in configurations that know no list.
impl Serialize for Methods {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.0[..] {
            [one] => one.serialize(to),
            all => all.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Methods {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Names)
    }
}

/// Reads a name, names with commas between them, or a list of names.
struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = Methods;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a method, or a list of names")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Methods, E> {
        Methods::read(text.split(','))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Methods, A::Error> {
        let mut names: Vec<String> = Vec::new();
        while let Some(name) = list.next_element()? {
            names.push(name);
        }
        Methods::read(names.iter().map(String::as_str))
    }
}
