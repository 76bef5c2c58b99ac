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
#ifndef itkU2NetTask_h
#define itkU2NetTask_h

#include "itkU2NetPostProcessing.h"
#include "itkU2NetPreprocessing.h"

#include <string>

namespace itk
{
namespace nn
{
/** \class U2NetTask
 * \brief A task of the 3D U2-Net's paper: a data set of the Medical Segmentation Decathlon and what
 * its authors chose for it.
 * \ingroup UniverSegPreprocessing */
struct UniverSegPreprocessing_EXPORT U2NetTask
{
  std::string name;                                 ///< of the data set's folder
  std::int64_t channels = 1;                        ///< modalities
  std::vector<double> spacing;                      ///< z, y, x in mm
  Shape patch;                                      ///< of a network of its own
  std::vector<std::int64_t> pools;                  ///< of a network of its own, see U2NetConfiguration
  std::int64_t batch = 2;                           ///< of a network of its own
  std::int64_t classes = 2;                         ///< with the background
  std::int32_t smallLabel = 1;                      ///< patches for training are often around it
  std::map<std::int32_t, std::int32_t> fusedLabels; ///< of the data set
  int components = 1;                               ///< see U2NetPostProcessing
  bool clearsSecondHalf = false;                    ///< see U2NetPostProcessing

  U2NetPreprocessing GetPreprocessing() const;
  U2NetPostProcessing GetPostProcessing() const;

  /** Heart, liver, hippocampus, prostate, pancreas and spleen. */
  static const std::vector<U2NetTask> & GetAll();

  /** The task of a name, "Task04_Hippocampus" or "hippocampus", in letters of either case.
   * Throws Error that lists the names. */
  static const U2NetTask & Get(const std::string & name);
};
} // namespace nn
} // namespace itk

#endif
