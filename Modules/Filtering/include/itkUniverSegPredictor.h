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
#ifndef itkUniverSegPredictor_h
#define itkUniverSegPredictor_h

#include "UniverSegFilteringExport.h"
#include "itkSegmentationModel.h"
#include "itkUniverSegSupportSet.h"

#include <memory>
#include <vector>

namespace itk
{
/** \class UniverSegPredictor
 * \brief The part of UniverSegImageFilter that knows no image type: support
 * subsets, the network's runs, probabilities and their combination.
 *
 * What is segmented follows from the labels L of the support set:
 * - exactly one label other than 0, or soft labels: one probability map;
 * - several: one map for each label, each from a run in which this label is the
 *   foreground. The background, 0, counts as a label unless includeBackground is
 *   false.
 *
 * With numberOfNearestSupports M the supports of a slice are the M whose images are
 * most like it, see UniverSegPreparedSupports::FindNearest(); else they are all N.
 * What a network computes from the supports alone is then computed for each slice.
 *
 * With an ensemble of K members, member j uses the supports
 * `numpy.random.default_rng(seed + j).integers(0, N, size=S)`, of M instead of N the
 * nearest ones, and a map is the mean of the members' probabilities.
 * \ingroup UniverSegFiltering
 */
class UniverSegFiltering_EXPORT UniverSegPredictor
{
public:
  using LabelType = UniverSegSupportSet::LabelType;

  /** \brief Everything but the model and the support set that decides a prediction. */
  struct Options
  {
    nn::PlanOptions plan;
    IntensityNormalization normalization;
    SegmentationModel::GridSizeType gridSize{ { 0, 0 } }; ///< width, height; 0: the model's
    SizeValueType ensembleSize = 1;                       ///< K
    SizeValueType ensembleSupportSize = 0;                ///< S; 0: all, or N draws when K > 1
    SizeValueType seed = 0;                               ///< of the first member
    SizeValueType maximumNumberOfSupports = 0;            ///< use the first ones only; 0: all
    SizeValueType numberOfNearestSupports = 0;            ///< M; 0: those of all slices alike
    bool includeBackground = true;                        ///< as a label, when there are several
    SizeValueType sliceBatchSize = 0;                     ///< 0: one
  };

  /** Throws ExceptionObject when the support set is empty or marks nothing, the
   * model is not UniverSeg, or an option is out of its range. */
  UniverSegPredictor(const SegmentationModel & model, const UniverSegSupportSet & supports, const Options & options);
  ~UniverSegPredictor();
  UniverSegPredictor(const UniverSegPredictor &) = delete;
  UniverSegPredictor & operator=(const UniverSegPredictor &) = delete;

  /** The labels for which a support set with these labels gives a probability
   * map. Throws ExceptionObject when there is none but 0. */
  static std::vector<LabelType> SelectLabels(const UniverSegSupportSet & supports, bool includeBackground);

  /** The label of each probability map. */
  const std::vector<LabelType> & GetLabels() const
  {
    return m_Labels;
  }

  /** There is one map, to be thresholded. */
  bool IsBinary() const
  {
    return m_Binary;
  }

  /** How many slices to give to Predict() at once. */
  SizeValueType GetSliceBatchSize() const
  {
    return m_SliceBatchSize;
  }

  /** Positions in a slice's supports that a member uses. */
  const std::vector<std::vector<std::size_t>> & GetMembers() const
  {
    return m_Members;
  }

  /** Probability maps on the slices' own grid, one for each label.
   * \param slices [B, H, W] Float32, contiguous, finite.
   * \param statistics of the whole image, when the normalisation needs them.
   * \return for each label [B, H, W] Float32 in [0, 1].
   * Throws nn::Cancelled when the hook says so. */
  std::vector<nn::Tensor> Predict(const nn::Tensor & slices,
                                  const IntensityStatistics * statistics,
                                  const nn::RunHooks & hooks = {}) const;

  /** Which map wins at each pixel: its index plus one, or 0 for none. One map,
   * or maps without the background, win where the highest probability exceeds
   * the threshold; with the background the highest probability wins. Of equal
   * ones the first wins.
   * \return Int32 of the maps' shape. */
  nn::Tensor Combine(const std::vector<nn::Tensor> & probabilities, double threshold) const;

private:
  /** The logits of one member's run. */
  nn::Tensor RunMember(const nn::Tensor & targets,
                       LabelType label,
                       const std::vector<std::size_t> & member,
                       const nn::RunHooks & hooks) const;

  /** The mean of the members' probabilities, on the grid.
   * \param supports of these targets. */
  nn::Tensor PredictLabel(const nn::Tensor & targets,
                          LabelType label,
                          const std::vector<std::size_t> & supports,
                          const nn::RunHooks & hooks) const;

  nn::Tensor PrepareTargets(const nn::Tensor & slices, const IntensityStatistics * statistics) const;

  UniverSegSupportSet::ConstPointer m_Supports;
  Options m_Options;
  std::shared_ptr<nn::NetworkRunner> m_Runner;
  UniverSegSupportSet::PreparedPointer m_Prepared;
  std::vector<LabelType> m_Labels;
  SizeValueType m_Pool;            ///< supports that may be used
  SizeValueType m_SupportsOfSlice; ///< of these
  std::vector<std::vector<std::size_t>> m_Members;
  bool m_Binary;
  SizeValueType m_SliceBatchSize;
};
} // namespace itk

#endif
