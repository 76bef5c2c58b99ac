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
#ifndef itkNNTrainingTask_h
#define itkNNTrainingTask_h

#include "UniverSegTrainingExport.h"
#include "itkNNRandomStream.h"
#include "itkNNTensor.h"

#include <memory>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** An image with the label to be found in it. \ingroup UniverSegTraining */
struct TrainingExample
{
  Tensor image; ///< [height, width], float32, values of [0, 1]
  Tensor label; ///< [height, width], float32, 0 to 1
};

/** Examples of one binary segmentation task: any of them may be the target, and
 * the others its support set. \ingroup UniverSegTraining */
struct TrainingTask
{
  std::string name; ///< where it comes from, for people
  std::vector<TrainingExample> examples;
};

/** What is asked of a TaskSource. \ingroup UniverSegTraining */
struct TaskRequest
{
  std::int64_t examples = 2; ///< the target and the support set together
  std::int64_t height = 128;
  std::int64_t width = 128;
};

/** \class TaskSource
 * \brief Where training tasks come from.
 *
 * A task depends on the request and on the stream's seed alone. Safe to use from
 * several threads.
 * \ingroup UniverSegTraining
 */
class UniverSegTraining_EXPORT TaskSource
{
public:
  using ConstPointer = std::shared_ptr<const TaskSource>;

  TaskSource() = default;
  virtual ~TaskSource();
  TaskSource(const TaskSource &) = delete;
  TaskSource & operator=(const TaskSource &) = delete;

  /** For messages. */
  virtual std::string GetName() const = 0;

  /** One task. Throws Error when the source has none for the request. */
  virtual TrainingTask Sample(RandomStream & random, const TaskRequest & request) const = 0;
};

/** \class TaskMixture
 * \brief Tasks of several sources, each as often as its weight says.
 * \ingroup UniverSegTraining
 */
class UniverSegTraining_EXPORT TaskMixture : public TaskSource
{
public:
  /** \brief A source with its share. */
  struct Component
  {
    TaskSource::ConstPointer source;
    double weight = 1; ///< relative to the others, at least 0
  };

  /** Throws Error when there is no component with a weight above 0, or one below. */
  explicit TaskMixture(std::vector<Component> components);
  ~TaskMixture() override;

  std::string GetName() const override;
  TrainingTask Sample(RandomStream & random, const TaskRequest & request) const override;

private:
  std::vector<Component> m_Components;
  std::vector<double> m_Weights;
};
} // namespace nn
} // namespace itk

#endif
