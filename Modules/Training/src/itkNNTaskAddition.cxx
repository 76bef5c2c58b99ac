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
#include "itkNNTaskAddition.h"

#include "itkNNError.h"
#include "itkNNInitialWeights.h"

#include <algorithm>

namespace itk
{
namespace nn
{
namespace
{
/** Rows of both: those that were there have moved. */
Tensor
MoveRows(const Tensor & old, const Tensor & initial, const std::vector<std::int64_t> & rows)
{
  itkNNRequireMacro(static_cast<std::int64_t>(rows.size()) == initial.GetShape()[0],
                    "A new task: rows of " << ToString(old.GetShape()) << " become " << ToString(initial.GetShape())
                                           << ", but " << rows.size() << " rows are told");
  Tensor moved = initial.To(DataType::Float32).Clone();
  const Tensor from = old.To(DataType::Float32).Contiguous();
  const std::int64_t columns = NumberOfElements(from.GetShape()) / from.GetShape()[0];
  for (std::size_t row = 0; row < rows.size(); ++row)
  {
    if (rows[row] >= 0)
    {
      std::copy_n(from.GetData<float>() + rows[row] * columns,
                  columns,
                  moved.GetData<float>() + static_cast<std::int64_t>(row) * columns);
    }
  }
  return moved;
}
} // namespace

TaskAddition
AddTask(const Network & network, const StateDict & weights, const Network::NewTask & task, std::uint64_t seed)
{
  network.CheckWeights(weights);
  const Network::Extension extension = network.WithTask(task);
  TaskAddition result;
  result.network = extension.network;
  const StateDict initial = MakeInitialWeights(*result.network, seed);
  for (const auto & parameter : result.network->GetParameters())
  {
    const Tensor & fresh = initial.Get(parameter.name);
    if (!weights.Has(parameter.name))
    {
      result.weights.Add(parameter.name, fresh);
      result.trained.push_back(parameter.name);
      continue;
    }
    const Tensor & old = weights.Get(parameter.name);
    const bool isKept = old.GetShape() == parameter.shape;
    result.weights.Add(parameter.name, isKept ? old : MoveRows(old, fresh, extension.rows));
    (isKept ? result.kept : result.trained).push_back(parameter.name);
  }
  for (std::size_t row = 0; row < extension.rows.size(); ++row)
  {
    if (extension.rows[row] < 0)
    {
      result.trainedRows.push_back(static_cast<std::int64_t>(row));
    }
  }
  return result;
}
} // namespace nn
} // namespace itk
