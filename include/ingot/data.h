#pragma once

// Everything about data: data sets, image files, transforms, samplers and the loader.
#include "ingot/data_loader.h"
#include "ingot/dataset.h"
#include "ingot/file_datasets.h"
#include "ingot/image_io.h"
#include "ingot/sampler.h"
#include "ingot/transforms.h"
