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
#ifndef itkNNManifestTaskSource_h
#define itkNNManifestTaskSource_h

#include "itkNNTaskManifest.h"
#include "itkNNTrainingTask.h"

#include <memory>
#include <string>

namespace itk
{
namespace nn
{
/** \class ManifestTaskSource
 * \brief Tasks of the images and label maps that a TaskManifest names.
 *
 * A task is drawn step by step: a data set by its weight, an axis across which its
 * volumes are cut, a structure, and then slices that show it. They are of
 * different subjects as long as there are enough, then other slices of those, and
 * never the same slice twice. When there are fewer slices than the request asks
 * for, those of the support set are repeated; the target, examples[0], is never
 * among them.
 *
 * Images have the intensities that the data set's normalisation makes, resized by
 * ResizeLinear(); labels are 0 or 1, resized by ResizeNearest().
 *
 * All pixels are read at construction, and kept in the narrowest type that holds
 * them.
 * \ingroup UniverSegTraining
 */
class UniverSegTraining_EXPORT ManifestTaskSource : public TaskSource
{
public:
  /** Reads the images of one split. The formats are those registered with ITK.
   *
   * Throws Error that names the data set and the file: when a file is missing or
   * unreadable, when an image and its labels differ in size or orientation, when
   * for training a structure occurs nowhere or none has two slices, when no data
   * set has a task, and when the pixels need more memory than the manifest
   * allows. */
  ManifestTaskSource(const TaskManifest & manifest, ManifestSplit split);
  ~ManifestTaskSource() override;

  std::string GetName() const override;

  /** Throws Error when the request has no example or an empty image. */
  TrainingTask Sample(RandomStream & random, const TaskRequest & request) const override;

  /** The data sets with their subjects, images, structures and numbers of slices;
   * for people, several lines. */
  std::string Describe() const;

private:
  struct Implementation;
  std::unique_ptr<const Implementation> m_Implementation;
};
} // namespace nn
} // namespace itk

#endif
