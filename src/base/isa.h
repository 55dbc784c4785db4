#pragma once

#include <string>
#include <string_view>

namespace ingot {

/// What kernels may use of the CPU; each tier includes those before it.
enum class Isa { baseline, avx2, avx512, amx };

std::string_view name_of(Isa isa);

/// What the CPU and the operating system offer.
Isa detected_isa();

/// The tier in use: the detected one, capped by the environment variable INGOT_ISA. Read once, at first use, when it
/// also caps Highway's targets and oneDNN. Throws Error for an unknown name.
Isa active_isa();

/// The CPU's model name as the operating system gives it.
std::string cpu_name();

}  // namespace ingot
