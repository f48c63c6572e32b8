//! Models of other toolkits: reading and writing their files.

#[path = "formats/folders.rs"]
mod folders;
#[path = "formats/made.rs"]
mod made;

#[path = "formats/argos.rs"]
mod argos;
#[path = "formats/bert.rs"]
mod bert;
#[path = "formats/ct2.rs"]
mod ct2;
#[path = "formats/damage.rs"]
mod damage;
#[path = "formats/hf.rs"]
mod hf;
#[path = "formats/large.rs"]
mod large;
#[path = "formats/marian.rs"]
mod marian;
#[path = "formats/pickle.rs"]
mod pickle;
#[path = "formats/tensors.rs"]
mod tensors;
#[path = "formats/trim.rs"]
mod trim;
