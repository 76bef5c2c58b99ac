/*=========================================================================
 *
 *  Copyright itk-universeg developers
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         https://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#include "universegTaskTraining.h"

#include "itkNNRaster.h"

#include <nlohmann/json.hpp>

namespace universeg
{
void
DrawTasks(const TaskTraining & training, const std::string & fileName)
{
  constexpr std::int64_t rows = 12;
  constexpr std::int64_t supports = 6;
  constexpr std::size_t gap = 2;
  itk::nn::UniverSegBatchOptions options = training.settings.GetBatchOptions();
  options.tasks = 1;
  options.supportSizes = { supports };
  const itk::nn::UniverSegBatchSource batches(training.tasks, options);
  const auto height = static_cast<std::size_t>(options.height);
  const auto width = static_cast<std::size_t>(options.width);
  itk::nn::Raster picture((supports + 1) * (width + gap) + gap, rows * (height + gap) + gap);
  for (std::int64_t row = 0; row < rows; ++row)
  {
    const itk::nn::TensorMap batch = batches.MakeBatch(static_cast<std::uint64_t>(row));
    for (std::int64_t column = 0; column <= supports; ++column)
    {
      const bool isTarget = column == 0;
      const std::int64_t number = isTarget ? 0 : column - 1;
      const auto size = static_cast<std::int64_t>(height * width);
      const float * image = batch.at(isTarget ? "target" : "support_images").GetData<float>() + number * size;
      const float * label = batch.at(isTarget ? "label" : "support_labels").GetData<float>() + number * size;
      const auto isInside = [&](std::size_t y, std::size_t x) { return label[y * width + x] > 0.5F; };
      for (std::size_t y = 0; y < height; ++y)
      {
        for (std::size_t x = 0; x < width; ++x)
        {
          const float clipped = std::min(std::max(image[y * width + x], 0.0F), 1.0F);
          const auto gray = static_cast<unsigned char>(255 * clipped + 0.5F);
          const bool isBorder =
            isInside(y, x) && (y == 0 || x == 0 || y + 1 == height || x + 1 == width || !isInside(y - 1, x) ||
                               !isInside(y + 1, x) || !isInside(y, x - 1) || !isInside(y, x + 1));
          picture.SetPixel(gap + static_cast<std::size_t>(column) * (width + gap) + x,
                           gap + static_cast<std::size_t>(row) * (height + gap) + y,
                           isBorder ? itk::nn::Raster::Rgb{ 255, 176, 32 } : itk::nn::Raster::Rgb{ gray, gray, gray });
        }
      }
    }
  }
  picture.WritePNG(fileName);
}

int
RunTaskTraining(const TaskTraining & training)
{
  const itk::nn::TrainingSettings & settings = training.settings;
  const itk::nn::UniverSegBatchOptions batch = settings.GetBatchOptions();
  TrainingJob job;
  job.network = training.network;
  job.weights = training.weights;
  job.batches = std::make_shared<itk::nn::UniverSegBatchSource>(training.tasks, batch);
  job.options = settings.GetTrainerOptions();
  job.logEvery = settings.logEvery;
  itk::nn::TrainingSettings written = settings;
  job.configuration = itk::nn::ConfigurationTable(written).Write();
  job.place = training.place;
  job.card.preprocessing = nlohmann::json{ { "grid_size", { batch.height, batch.width } } }.dump();
  job.card.license = settings.model.licence;
  job.card.description = settings.model.description;
  job.card.provenance = training.provenance;
  job.card.extra["training_data"] = settings.model.data;
  job.card.extra["training_seed"] = std::to_string(settings.seed);
  const itk::nn::ValidationSettings & checks = settings.validation;
  if (checks.tasks > 0 && training.validationTasks != nullptr)
  {
    job.makeValidation = [&]() -> TrainingJob::Validation
    {
      itk::nn::UniverSegBatchOptions own = batch;
      own.supportSizes = { checks.supportSize };
      own.seed = static_cast<std::uint64_t>(checks.seed);
      const auto validation = std::make_shared<const itk::nn::UniverSegValidation>(
        training.network, *training.validationTasks, own, checks.tasks, training.place.plan);
      return [validation](const itk::nn::StateDict & weights) { return validation->Run(weights); };
    };
  }
  return RunTraining(job);
}
} // namespace universeg
