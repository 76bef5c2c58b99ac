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
#ifndef itkNNVolumeFusionBatch_h
#define itkNNVolumeFusionBatch_h

#include "UniverSegPreprocessingExport.h"
#include "itkNNSample.h"
#include "itkNNVolumeFusion.h"

#include <vector>

namespace itk
{
namespace nn
{
/** \class VolumeFusionBatchOptions
 * \brief How FuseBatch(), NonlinearFuseBatch() and AugmentedFuseBatch() mix volumes.
 * \ingroup UniverSegPreprocessing */
struct UniverSegPreprocessing_EXPORT VolumeFusionBatchOptions
{
  std::int64_t classes = 5;      ///< K + 1; class k has k / K of the other volume
  std::int64_t minimumCount = 1; ///< of blocks in a volume
  std::int64_t maximumCount = 1; ///< not below minimumCount
  Shape minimumBlock{ 8, 8, 8 }; ///< smallest extents of the blocks, [D, H, W]
  Shape maximumBlock{ 32, 32, 32 };

  /** Throws Error when a value is out of range. */
  void Check() const;
};

/** Mix each volume with the one before it in the batch, the first with the last, in blocks at
 * random positions, of which later ones cover earlier ones: `batch_operation` VolumeFusion of
 * PyMIC's pymic_preprocess. Samples get the fused image and the label of its classes, and lose
 * what else they have.
 *
 * Throws Error when the batch is empty and when its images have not one shape [1, D, H, W].
 * \ingroup UniverSegPreprocessing */
UniverSegPreprocessing_EXPORT void FuseBatch(std::vector<Sample> & batch,
                                             const VolumeFusionBatchOptions & options,
                                             PythonRandom & random);

/** Mix blocks of each volume with others of its own by a ShuffledVolumeFusionGrid:
 * `batch_operation` SelfVolumeFusion. As FuseBatch() otherwise.
 * \ingroup UniverSegPreprocessing */
UniverSegPreprocessing_EXPORT void SelfFuseBatch(std::vector<Sample> & batch,
                                                 const VolumeFusionOptions & options,
                                                 PythonRandom & random);
/** Give each volume two piecewise linear maps of its intensities with random knees, the first
 * for the volume and the second in blocks at random positions, there of the volume itself
 * (class 1) or of the one before it in the batch (class 2): `batch_operation`
 * NonLinearVolumeFusion. All volumes have one number of blocks. As FuseBatch() otherwise;
 * options.classes does not count.
 * \ingroup UniverSegPreprocessing */
UniverSegPreprocessing_EXPORT void NonlinearFuseBatch(std::vector<Sample> & batch,
                                                      const VolumeFusionBatchOptions & options,
                                                      PythonRandom & random);

/** Give each volume two such maps, the second for the volume, and in each block of a grid with
 * a probability of 0.15 each: the first map (class 1), the block flipped along a random axis
 * (2), both (3), the first map of the volume before it in the batch (4): `batch_operation`
 * AugmentedVolumeFusion. At the far ends a block is cut where at least half of it is inside,
 * and left out else. As FuseBatch() otherwise; of the options only the extents of the blocks
 * count.
 * \ingroup UniverSegPreprocessing */
UniverSegPreprocessing_EXPORT void AugmentedFuseBatch(std::vector<Sample> & batch,
                                                      const VolumeFusionBatchOptions & options,
                                                      PythonRandom & random);
} // namespace nn
} // namespace itk

#endif
