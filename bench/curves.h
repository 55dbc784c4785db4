#pragma once

#include <string>
#include <vector>

#include "diagnose/html.h"
#include "ingot/train.h"

// Tables and charts of training runs that differ in their seeds alone.
namespace ingot {

using Curve = std::vector<EpochRecord>;  // empty: the loss did not stay finite
using Field = double EpochRecord::*;

double mean_at(const std::vector<Curve>& curves, size_t epoch, Field field);
/// "93.1 (92.8 to 93.5)": mean and extremes over the seeds.
std::string at_the_end(const std::vector<Curve>& curves, Field field, double scale, int digits);
html::Series series(const std::string& name, const std::vector<Curve>& curves, Field field, double scale);

}  // namespace ingot
