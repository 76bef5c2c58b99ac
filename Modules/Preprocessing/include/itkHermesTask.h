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
#ifndef itkHermesTask_h
#define itkHermesTask_h

#include "itkHermesPreprocessing.h"

#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** \class HermesTask
 * \brief A data set of Hermes' paper: its numbers in the pools of priors, its classes, and how its
 * images are prepared.
 * \ingroup UniverSegPreprocessing */
struct UniverSegPreprocessing_EXPORT HermesTask
{
  std::string name;                 ///< as in the reference, as "amos_ct"
  std::int64_t modality = -1;       ///< 0 CT, 1 PET, 2 T1, 3 T2, 4 cine MRI, -1 unknown
  std::vector<std::int64_t> tasks;  ///< number of each class in the pools, of labels from 1 on
  std::vector<std::string> classes; ///< names of the labels from 1 on
  /** For training: with the box of the labels. */
  HermesPreprocessing preprocessing;

  /** How images without labels are prepared: as a whole. Axes are as stored, as those of nearly
   * all images that the published weights were trained with. */
  HermesPreprocessing GetInferencePreprocessing() const;

  /** amos_ct, amos_mr, bcv, structseg_oar, structseg_head_oar, lits, kits, chaos_t1, chaos_t2, mnm,
   * brain_structure and autopet: the paper's eleven, for CHAOS has one set of tasks and two
   * modalities. Names of the classes are those that the data sets use; the order of StructSeg's is
   * that of the challenge, which the reference does not tell. */
  static const std::vector<HermesTask> & GetAll();

  /** The task of a name, in letters of either case. Throws Error that lists the names. */
  static const HermesTask & Get(const std::string & name);
};
} // namespace nn
} // namespace itk

#endif
