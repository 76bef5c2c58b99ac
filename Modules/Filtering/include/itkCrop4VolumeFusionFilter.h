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
#ifndef itkCrop4VolumeFusionFilter_h
#define itkCrop4VolumeFusionFilter_h

#include "itkImage.h"
#include "itkImageToImageFilter.h"
#include "itkNNFilterRun.h"
#include "itkNNVolumeFusion.h"
#include "itkUniverSegMacros.h"

namespace itk
{
/** \class Crop4VolumeFusionFilter
 * \brief Cuts two patches out of a volume and augments them: the inputs of
 * VolumeFusionFilter.
 *
 * Each patch is a box of random place and extent, resampled to the size asked, flipped
 * along axes, with its contrast stretched and a gamma correction. Outputs 0 and 1
 * (GetPatch(i)) have the geometry of the first patch where it lay in the input, flips
 * included, so that they fit each other. Their index begins at 0.
 *
 * Each execution begins with the same random stream, see VolumeFusionFilter. With the seed of
 * Python's `random` the patches are those of PyMIC's transform Crop4VolumeFusion, apart from
 * a patch of one intensity, which becomes 0 and not a number that is none.
 *
 * Only the boxes' bounding box is asked of the input; the patches are always made as a whole.
 *
 * Source: PyMIC 0.5.0; G. Wang et al., arXiv 2306.16925.
 *
 * \tparam TInputImage scalar, 3-D
 * \tparam TOutputImage of pixels of type float
 * \ingroup UniverSegFiltering
 */
template <typename TInputImage, typename TOutputImage = Image<float, 3>>
class ITK_TEMPLATE_EXPORT Crop4VolumeFusionFilter : public ImageToImageFilter<TInputImage, TOutputImage>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(Crop4VolumeFusionFilter);

  using Self = Crop4VolumeFusionFilter;
  using Superclass = ImageToImageFilter<TInputImage, TOutputImage>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkOverrideGetNameOfClassMacro(Crop4VolumeFusionFilter);

  using InputImageType = TInputImage;
  using OutputImageType = TOutputImage;
  using InputRegionType = typename InputImageType::RegionType;
  using SizeType = typename OutputImageType::SizeType;
  using ScaleType = FixedArray<double, 3>;

  static_assert(InputImageType::ImageDimension == 3 && OutputImageType::ImageDimension == 3, "Patches have three axes");
  static_assert(std::is_same<typename OutputImageType::PixelType, float>::value, "Patches are of type float");

  /** Size of the patches in pixels, in ITK's order of axes; has to be set. */
  itkSetMacro(OutputSize, SizeType);
  itkGetConstReferenceMacro(OutputSize, SizeType);

  /** Range of the extent of a box in that of the patch, for each axis in ITK's order;
   * 0.7 to 1.5 by default. A box is never greater than the input. */
  itkSetMacro(LowerScale, ScaleType);
  itkGetConstReferenceMacro(LowerScale, ScaleType);
  itkSetMacro(UpperScale, ScaleType);
  itkGetConstReferenceMacro(UpperScale, ScaleType);

  /** Whether boxes are scaled and patches flipped. On by default. */
  itkSetMacro(SpatialAugmentation, bool);
  itkGetConstMacro(SpatialAugmentation, bool);
  itkBooleanMacro(SpatialAugmentation);

  /** Whether the intensities of patches are changed. On by default. With both off this is
   * PyMIC's mode 0, with this one alone mode 1, with the other mode 2, with both 3. */
  itkSetMacro(IntensityAugmentation, bool);
  itkGetConstMacro(IntensityAugmentation, bool);
  itkBooleanMacro(IntensityAugmentation);

  /** The random stream that an execution begins with; by default that of seed 0. */
  void SetRandom(const nn::PythonRandom & random)
  {
    m_Random = random;
    this->Modified();
  }
  void SetSeed(std::int64_t seed)
  {
    this->SetRandom(nn::PythonRandom(seed));
  }

  /** The stream behind the last execution's draws. */
  const nn::PythonRandom & GetNextRandom() const
  {
    return m_NextRandom;
  }

  /** Patch 0, the foreground of a fusion, or 1, the background. */
  OutputImageType * GetPatch(unsigned int i)
  {
    return this->GetOutput(i);
  }

  /** The box of a patch in the input, of the last execution. */
  const InputRegionType & GetBox(unsigned int i) const
  {
    return m_Boxes[i];
  }

protected:
  Crop4VolumeFusionFilter();
  ~Crop4VolumeFusionFilter() override = default;

  void PrintSelf(std::ostream & os, Indent indent) const override;

  void GenerateOutputInformation() override;
  void GenerateInputRequestedRegion() override;
  void EnlargeOutputRequestedRegion(DataObject * output) override;
  void GenerateData() override;

private:
  void CheckAbort() const;

  SizeType m_OutputSize;
  ScaleType m_LowerScale;
  ScaleType m_UpperScale;
  bool m_SpatialAugmentation = true;
  bool m_IntensityAugmentation = true;
  nn::PythonRandom m_Random{ 0 };
  nn::PythonRandom m_CropRandom{ 0 }; ///< behind the draws of the boxes
  nn::PythonRandom m_NextRandom{ 0 };
  nn::VolumeFusionCrop::Pair m_Crops;
  std::array<InputRegionType, 2> m_Boxes;
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkCrop4VolumeFusionFilter.hxx"
#endif

#endif
