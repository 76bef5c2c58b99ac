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
#ifndef itkUniverSegSupportTaskSource_h
#define itkUniverSegSupportTaskSource_h

#include "UniverSegTrainingExport.h"
#include "itkNNTrainingTask.h"
#include "itkUniverSegSupportSet.h"

#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** \class UniverSegSupportTaskSource
 * \brief Tasks of a support set that a user has, to fine-tune a network on it.
 *
 * Each label other than 0 is a task. Any support that shows the label may be the
 * target; the others are its support set, repeated when there are fewer than are
 * asked for. A support set of one is its own target: augmentation of each example
 * makes the difference.
 *
 * Images are prepared as UniverSegImageFilter prepares them.
 * \ingroup UniverSegTraining
 */
class UniverSegTraining_EXPORT UniverSegSupportTaskSource : public TaskSource
{
public:
  /** Which supports are targets. */
  enum class Targets
  {
    All,
    Training,  ///< all but those for validation
    Validation ///< every fourth, when there are at least eight; else all
  };

  /** Prepares the supports at once, for tasks of this grid. Throws Error when no
   * support has a label, and as UniverSegSupportSet::GetPrepared() does. */
  UniverSegSupportTaskSource(const UniverSegSupportSet & supports,
                             const IntensityNormalization & normalization,
                             std::int64_t height,
                             std::int64_t width,
                             Targets targets = Targets::All);
  ~UniverSegSupportTaskSource() override;

  std::string GetName() const override;

  /** Throws Error when the request has another grid or fewer than two examples. */
  TrainingTask Sample(RandomStream & random, const TaskRequest & request) const override;

private:
  /** \brief The supports with one label. */
  struct Structure
  {
    std::int64_t label = 0;
    std::vector<TrainingExample> examples;
    std::vector<std::size_t> targets; ///< numbers of examples
  };

  std::int64_t m_Height;
  std::int64_t m_Width;
  std::vector<Structure> m_Structures;
};
} // namespace nn
} // namespace itk

#endif
