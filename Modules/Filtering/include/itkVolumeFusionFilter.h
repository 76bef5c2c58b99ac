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
#ifndef itkVolumeFusionFilter_h
#define itkVolumeFusionFilter_h

#include "itkImage.h"
#include "itkImageToImageFilter.h"
#include "itkNNFilterRun.h"
#include "itkNNVolumeFusionRunner.h"
#include "itkUniverSegMacros.h"

namespace itk
{
/** \class VolumeFusionFilter
 * \brief Mixes two images block by block, and labels the share of each: the task of
 * Volume Fusion, which networks are pre-trained with.
 *
 * A grid of equal blocks is laid over the images. Blocks of class k of 0 to K have
 * k / K of the foreground image and the rest of the background image; what lies
 * outside the grid is of class 0. Output 0 is the fused image, output 1 (GetLabelOutput())
 * the classes. Both have the geometry of the foreground image.
 *
 * Each execution begins with the same random stream, so that an image may be made
 * region by region; set another seed for another sample. With the seed of Python's
 * `random` the blocks are those of PyMIC's transform VolumeFusion. GetNextRandom() goes on
 * where the filter ended, for a chain of filters that draw from one stream.
 *
 * On another device than the cpu the plan is kept for the next images of the same size.
 *
 * Source: G. Wang et al., "MIS-FM: 3D Medical Image Segmentation using Foundation Models
 * Pretrained on a Large-Scale Unannotated Dataset", arXiv 2306.16925; PyMIC 0.5.0.
 *
 * \tparam TInputImage scalar, 2-D or 3-D
 * \tparam TOutputImage of real pixels
 * \tparam TLabelImage of integer pixels
 * \ingroup UniverSegFiltering
 */
template <typename TInputImage,
          typename TOutputImage = Image<float, TInputImage::ImageDimension>,
          typename TLabelImage = Image<unsigned char, TInputImage::ImageDimension>>
class ITK_TEMPLATE_EXPORT VolumeFusionFilter : public ImageToImageFilter<TInputImage, TOutputImage>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(VolumeFusionFilter);

  using Self = VolumeFusionFilter;
  using Superclass = ImageToImageFilter<TInputImage, TOutputImage>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkOverrideGetNameOfClassMacro(VolumeFusionFilter);

  static constexpr unsigned int ImageDimension = TInputImage::ImageDimension;

  using InputImageType = TInputImage;
  using OutputImageType = TOutputImage;
  using LabelImageType = TLabelImage;
  using RegionType = typename OutputImageType::RegionType;
  using SizeType = typename OutputImageType::SizeType;

  /** The image of which a block of class K consists; the first input. */
  void SetForegroundImage(const InputImageType * image)
  {
    this->SetInput(0, image);
  }
  const InputImageType * GetForegroundImage() const
  {
    return this->GetInput(0);
  }

  /** The image of which a block of class 0 consists; the second input. */
  void SetBackgroundImage(const InputImageType * image)
  {
    this->SetInput(1, image);
  }
  const InputImageType * GetBackgroundImage() const
  {
    return this->GetInput(1);
  }

  /** K + 1, the number of classes; 5 by default, from 2 to 256. */
  itkSetMacro(NumberOfClasses, unsigned int);
  itkGetConstMacro(NumberOfClasses, unsigned int);

  /** Share of the blocks of a class other than 0, within [0, 1]; 0.7 by default. */
  itkSetMacro(ForegroundRatio, double);
  itkGetConstMacro(ForegroundRatio, double);

  /** Smallest and greatest extents of the blocks in pixels, in ITK's order of axes; 8 and
   * 32 by default. */
  itkSetMacro(MinimumBlockSize, SizeType);
  itkGetConstReferenceMacro(MinimumBlockSize, SizeType);
  itkSetMacro(MaximumBlockSize, SizeType);
  itkGetConstReferenceMacro(MaximumBlockSize, SizeType);

  /** Where images are mixed: "cpu", the default, "cuda", "cuda:1", or "auto": "cuda" where
   * there is one, else "cpu". Everywhere in double precision. */
  itkSetMacro(Device, std::string);
  itkGetConstReferenceMacro(Device, std::string);

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

  /** The blocks of the last execution. */
  const nn::VolumeFusionGrid & GetGrid() const
  {
    return m_Grid;
  }

  /** The fusion classes. */
  LabelImageType * GetLabelOutput()
  {
    return static_cast<LabelImageType *>(this->ProcessObject::GetOutput(1));
  }

  using DataObjectPointerArraySizeType = ProcessObject::DataObjectPointerArraySizeType;
  using Superclass::MakeOutput;
  DataObject::Pointer MakeOutput(DataObjectPointerArraySizeType i) override;

protected:
  VolumeFusionFilter();
  ~VolumeFusionFilter() override = default;

  void PrintSelf(std::ostream & os, Indent indent) const override;

  void VerifyInputInformation() ITKv5_CONST override;
  void GenerateData() override;
  void BeforeThreadedGenerateData() override;
  void DynamicThreadedGenerateData(const RegionType & region) override;

private:
  nn::VolumeFusionOptions MakeOptions() const;
  void FuseOnDevice();

  unsigned int m_NumberOfClasses = 5;
  double m_ForegroundRatio = 0.7;
  SizeType m_MinimumBlockSize;
  SizeType m_MaximumBlockSize;
  std::string m_Device = "cpu";
  nn::VolumeFusionRunner m_Runner;
  nn::PythonRandom m_Random{ 0 };
  nn::PythonRandom m_NextRandom{ 0 };
  nn::VolumeFusionGrid m_Grid;
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkVolumeFusionFilter.hxx"
#endif

#endif
