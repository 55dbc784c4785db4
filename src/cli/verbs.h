#pragma once

#include "cli/verb.h"

// The commands, each in the file of its name.
namespace ingot::cli {

extern const Verb kBench, kBuild, kCompare, kDoctor, kInspect, kPredict, kReport, kSummary;

}  // namespace ingot::cli
