//! The arena backend: searches and products, in exactly the memory that was computed. `backends.rs` tests its
//! operations.

#[path = "micro/arena.rs"]
mod arena;
#[path = "micro/caches.rs"]
mod caches;
#[path = "micro/computing.rs"]
mod computing;
#[path = "micro/hostile.rs"]
mod hostile;
#[path = "micro/lines.rs"]
mod lines;
#[path = "micro/memory.rs"]
mod memory;
#[path = "micro/operations.rs"]
mod operations;
#[path = "micro/products.rs"]
mod products;
#[path = "micro/readers.rs"]
mod readers;
#[path = "micro/searches.rs"]
mod searches;
#[path = "micro/shortlists.rs"]
mod shortlists;
#[path = "micro/texts.rs"]
mod texts;
