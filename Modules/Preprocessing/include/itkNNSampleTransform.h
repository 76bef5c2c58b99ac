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
#ifndef itkNNSampleTransform_h
#define itkNNSampleTransform_h

#include "UniverSegPreprocessingExport.h"
#include "itkNNNumPyLegacyRandom.h"
#include "itkNNPythonRandom.h"
#include "itkNNSample.h"
#include "itkNNTransformOptions.h"

#include <memory>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** \class TransformRandom
 * \brief The generators that transforms draw from: those of Python and of NumPy, as PyMIC.
 * \ingroup UniverSegPreprocessing
 */
struct UniverSegPreprocessing_EXPORT TransformRandom
{
  /** \param seed of both; NumPy's has its 32 low bits. */
  explicit TransformRandom(std::int64_t seed);

  PythonRandom python;
  NumPyLegacyRandom numpy;
};

/** \class TransformRecord
 * \brief What a transform did to one sample, to undo it.
 *
 * Extents and positions are spatial: [D, H, W] or [H, W].
 * \ingroup UniverSegPreprocessing
 */
struct UniverSegPreprocessing_EXPORT TransformRecord
{
  std::string transform;     ///< its name
  Shape inputSize;           ///< extents before
  Shape outputSize;          ///< extents after
  Shape start;               ///< of a crop in the input; of the input in what was padded
  std::vector<bool> flipped; ///< for each axis; empty when none is
};

/** \class SampleTransform
 * \brief One step of the preparation of a sample, for training and inference, with the names,
 * options and random draws of PyMIC (Wang et al., Computer Methods and Programs in
 * Biomedicine 2023, version 0.5.0).
 *
 * An object has no state beyond its options: any number of threads may use it, each with its
 * own sample, generators and record. Documentation/preprocessing.md lists the transforms.
 * \ingroup UniverSegPreprocessing
 */
class UniverSegPreprocessing_EXPORT SampleTransform
{
public:
  using ConstPointer = std::shared_ptr<const SampleTransform>;

  SampleTransform(const SampleTransform &) = delete;
  SampleTransform & operator=(const SampleTransform &) = delete;
  virtual ~SampleTransform();

  /** The transform of a name, for example "RandomCrop". Throws Error when there is none of
   * that name, and when an option is missing, unknown, of another type or out of range.
   * \param options without the transform's name in front: "output_size". */
  static ConstPointer Make(const std::string & name, const TransformOptions & options);

  /** All names, sorted. */
  static std::vector<std::string> GetNames();

  /** As of Make(). */
  const std::string & GetName() const
  {
    return m_Name;
  }

  /** All options, also those that were left at their defaults. */
  const TransformOptions & GetOptions() const
  {
    return m_Options;
  }

  /** The option `inverse`: whether Invert() undoes the transform. */
  bool IsInverse() const
  {
    return m_IsInverse;
  }

  /** Whether Invert() interpolates: labels are then to be chosen behind it, not before. */
  virtual bool InterpolatesInverse() const
  {
    return false;
  }

  /** Change a sample. Throws Error when the sample is no proper one or the transform does not
   * fit it. */
  TransformRecord Apply(Sample & sample, TransformRandom & random) const;

  /** Undo on a prediction for the sample what moved its pixels; a prediction as it is when
   * the transform moves none or IsInverse() is false. Crops put the prediction into zeros.
   * Throws Error when the record or the prediction's extents are not those of this transform.
   * \param prediction logits, probabilities or labels, [C, ...]; Float32 where it is to be
   * interpolated. */
  Tensor Invert(const Tensor & prediction, const TransformRecord & record) const;

protected:
  SampleTransform() = default;

  /** Change a proper sample. The record comes with name, extents before and a start of zeros,
   * and gets its extents after. */
  virtual void DoApply(Sample & sample, TransformRandom & random, TransformRecord & record) const = 0;

  /** Undo on a prediction of the extents after. */
  virtual Tensor DoInvert(const Tensor & prediction, const TransformRecord & record) const;

private:
  std::string m_Name;
  TransformOptions m_Options;
  bool m_IsInverse = false;
};
} // namespace nn
} // namespace itk

#endif
