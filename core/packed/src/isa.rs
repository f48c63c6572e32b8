//! The vector instructions of processors.

use crate::dot::Dot;
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
use crate::dot::Portable;
use core::fmt;
use core::str::FromStr;

/// A set of vector instructions that this machine has. Only [`Isa::all`] and [`Isa::from_str`] make one, and they ask the
/// processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    #[cfg(target_arch = "aarch64")]
    Neon,
    #[cfg(target_arch = "aarch64")]
    DotProd,
    #[cfg(target_arch = "aarch64")]
    I8mm,
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128,
}

/// Work that is compiled for each instruction set. `run` is `#[inline(always)]`, and so is all that it calls.
pub(crate) trait Work {
    type Output;

    fn run<D: Dot>(self, dot: D) -> Self::Output;
}

impl Isa {
    /// Portable loops. In a module built with `simd128` they are those of `simd128`.
    pub const PORTABLE: Self = Self(Kind::Portable);

    /// The instruction sets that this machine has, the fastest first.
    pub fn all() -> impl Iterator<Item = Self> {
        Kind::ALL.iter().rev().copied().filter(|kind| kind.is_there()).map(Self)
    }

    /// The fastest instruction set of this machine.
    pub fn best() -> Self {
        Self::all().next().unwrap_or(Self::PORTABLE)
    }

    /// Its name, as [`Isa::from_str`] reads it.
    pub const fn name(self) -> &'static str {
        self.0.name()
    }

    /// Runs `work` compiled for these instructions.
    #[inline]
    pub(crate) fn run<W: Work>(self, work: W) -> W::Output {
        match self.0 {
            #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
            Kind::Portable => work.run(Portable),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the machine has it, see `Isa`.
            Kind::Avx2 => unsafe { crate::dot::x86::avx2(work) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the machine has it, see `Isa`.
            Kind::AvxVnni => unsafe { crate::dot::x86::avx_vnni(work) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the machine has it, see `Isa`.
            Kind::Avx512Vnni => unsafe { crate::dot::x86::avx512_vnni(work) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: the machine has it, see `Isa`.
            Kind::Neon => unsafe { crate::dot::aarch64::neon(work) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: the machine has it, see `Isa`.
            Kind::DotProd => unsafe { crate::dot::aarch64::dotprod(work) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: the machine has it, see `Isa`.
            Kind::I8mm => unsafe { crate::dot::aarch64::i8mm(work) },
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Kind::Portable | Kind::Simd128 => work.run(crate::dot::wasm::Simd128),
        }
    }
}

impl Kind {
    /// The slowest first.
    const ALL: &'static [Self] = &[
        Self::Portable,
        #[cfg(target_arch = "x86_64")]
        Self::Avx2,
        #[cfg(target_arch = "x86_64")]
        Self::AvxVnni,
        #[cfg(target_arch = "x86_64")]
        Self::Avx512Vnni,
        #[cfg(target_arch = "aarch64")]
        Self::Neon,
        #[cfg(target_arch = "aarch64")]
        Self::DotProd,
        #[cfg(target_arch = "aarch64")]
        Self::I8mm,
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        Self::Simd128,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => "avx-vnni",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => "avx512-vnni",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "neon",
            #[cfg(target_arch = "aarch64")]
            Self::DotProd => "dotprod",
            #[cfg(target_arch = "aarch64")]
            Self::I8mm => "i8mm",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128 => "simd128",
        }
    }

    /// Whether the machine has the instructions.
    fn is_there(self) -> bool {
        /// Whether the processor, or without the standard library the target, has these features.
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        macro_rules! has {
            ($($feature:tt)*) => {{
                #[cfg(all(feature = "std", target_arch = "x86_64"))]
                let there = $( std::arch::is_x86_feature_detected!($feature) )&&*;
                #[cfg(all(feature = "std", target_arch = "aarch64"))]
                let there = $( std::arch::is_aarch64_feature_detected!($feature) )&&*;
                #[cfg(not(feature = "std"))]
                let there = $( cfg!(target_feature = $feature) )&&*;
                there
            }};
        }
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => has!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => has!("avx2" "avxvnni"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => {
                has!("avx512f" "avx512bw" "avx512dq" "avx512vl" "avx512vnni")
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => has!("neon"),
            #[cfg(target_arch = "aarch64")]
            Self::DotProd => has!("neon" "dotprod"),
            #[cfg(target_arch = "aarch64")]
            Self::I8mm => has!("neon" "dotprod" "i8mm"),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128 => true,
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name of an instruction set that this machine does not have, or that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Whether another machine of this family may have it.
    pub known: bool,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.known {
            true => "this processor does not have these instructions; it has ",
            false => "no such instruction set; this processor has ",
        })?;
        Isa::all().enumerate().try_for_each(|(i, isa)| {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{isa}")
        })
    }
}

impl core::error::Error for Missing {}

impl FromStr for Isa {
    type Err = Missing;

    fn from_str(name: &str) -> Result<Self, Missing> {
        let kind = Kind::ALL.iter().copied().find(|kind| kind.name() == name);
        let kind = kind.ok_or(Missing { known: false })?;
        if kind.is_there() { Ok(Self(kind)) } else { Err(Missing { known: true }) }
    }
}
