//! What a launcher says by the environment, before MPI is asked.

use std::num::NonZeroUsize;

/// The place of this process among those that a launcher started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Launch {
    /// From 0.
    pub rank: usize,
    /// How many processes there are in all.
    pub size: usize,
    /// From 0, among those on the same machine, and how many these are; nothing where the launcher does not tell.
    pub local: Option<(usize, usize)>,
    /// Whether the launcher gave each process cores of its own.
    bound: bool,
}

/// The names of one launcher's variables.
struct Names {
    rank: &'static str,
    size: &'static str,
    local_rank: &'static str,
    local_size: &'static str,
}

const LAUNCHERS: [Names; 3] = [
    // Open MPI's mpirun.
    Names {
        rank: "OMPI_COMM_WORLD_RANK",
        size: "OMPI_COMM_WORLD_SIZE",
        local_rank: "OMPI_COMM_WORLD_LOCAL_RANK",
        local_size: "OMPI_COMM_WORLD_LOCAL_SIZE",
    },
    // Hydra: MPICH, Intel MPI.
    Names {
        rank: "PMI_RANK",
        size: "PMI_SIZE",
        local_rank: "MPI_LOCALRANKID",
        local_size: "MPI_LOCALNRANKS",
    },
    // Slurm's srun with PMIx; its own variables alone are those of a batch script, too.
    Names {
        rank: "PMIX_RANK",
        size: "SLURM_STEP_NUM_TASKS",
        local_rank: "SLURM_LOCALID",
        local_size: "MPI_LOCALNRANKS",
    },
];

impl Launch {
    /// Of a process that is by itself.
    pub const ALONE: Self = Self { rank: 0, size: 1, local: None, bound: false };

    /// What the environment of this process says.
    pub fn of_environment() -> Self {
        Self::of(|name| std::env::var(name).ok())
    }

    /// What `variable` says; a process by itself where no launcher is known to have started it.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let number = |name: &str| variable(name)?.trim().parse::<usize>().ok();
        let told = |names: &Names| {
            let (rank, size) = (number(names.rank)?, number(names.size)?);
            let local = number(names.local_rank).zip(number(names.local_size));
            let bound = number("OMPI_MCA_orte_bound_at_launch") == Some(1);
            (rank < size).then_some(Self { rank, size, local, bound })
        };
        LAUNCHERS.iter().find_map(told).unwrap_or(Self::ALONE)
    }

    /// Whether it speaks for all.
    pub fn is_first(&self) -> bool {
        self.rank == 0
    }

    /// Threads that each process on this machine has room for, of `cores` that this one may use; nothing where it has
    /// them all.
    pub fn threads(&self, cores: usize) -> Option<NonZeroUsize> {
        let (_, beside) = self.local.filter(|&(_, beside)| beside > 1 && !self.bound)?;
        NonZeroUsize::new((cores / beside).max(1))
    }
}
