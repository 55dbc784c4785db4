#pragma once

#include "cli/verb.h"

// The commands, each in the file of its name.
namespace ingot::cli {

extern const Verb kTrain, kEval, kBuild, kCompare, kBench, kPredict, kReport, kInspect, kConvert, kSummary, kDoctor;

}  // namespace ingot::cli
