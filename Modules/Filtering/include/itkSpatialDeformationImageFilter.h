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
#ifndef itkSpatialDeformationImageFilter_h
#define itkSpatialDeformationImageFilter_h

#include "itkFixedArray.h"
#include "itkImage.h"
#include "itkImageToImageFilter.h"
#include "itkNNFilterRun.h"
#include "itkNNSpatialDeformationRunner.h"
#include "itkUniverSegMacros.h"
#include "itkVector.h"

#include <string>
#include <type_traits>
#include <vector>

namespace itk
{
/** \class SpatialDeformationImageFilter
 * \brief Scales, flips, moves, turns and bends images, all of them at the same coordinates: the
 * augmentation of the library cuda_spatial_deform.
 *
 * Operations are appended and done in this order, each with a probability. They change the
 * coordinates at which an image is sampled, see nn::SpatialDeformation: a pixel of the result
 * begins with its index less half of the image's size, v, and gets the value at what has become
 * of v, plus half of the size. So operations go from the result to the image: a scale of 2 shows
 * it at half its size. Everything is in the order of the image's axes (x, y, z), lengths in pixels
 * whatever the spacing, angles in radians.
 *
 * Inputs: the image, further images of the same geometry such as other modalities
 * (`SetInput(1, image)`), and a label image, SetLabelImage(), of which the nearest pixel is taken.
 * Output i is input i deformed, GetLabelOutput() the labels, all with the geometry of the input.
 * Values of images of integers are rounded, and kept within the pixel type.
 *
 * Which operations are done, and the field of elastic ones, come from the seed alone, drawn as
 * nn::DrawSpatialDeformation() says: an execution gives the same as the last, on every device up
 * to rounding; another seed draws again. Parameters are not drawn. What is compiled for the
 * operations done and the size of the image is kept for the next executions, with whatever
 * factors, offsets, angles and amplitudes.
 *
 * Every pixel may come from anywhere, so the filter makes and needs whole images.
 *
 * Throws ExceptionObject when a parameter is out of its range, when inputs differ in size or
 * geometry, when an input between others is missing, when a label has more digits than the
 * precision, and when a backend or device is not to be had.
 *
 * \tparam TImage scalar, 2-D or 3-D
 * \tparam TLabelImage of integer pixels
 * \ingroup UniverSegFiltering */
template <typename TImage, typename TLabelImage = Image<unsigned char, TImage::ImageDimension>>
class ITK_TEMPLATE_EXPORT SpatialDeformationImageFilter : public ImageToImageFilter<TImage, TImage>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(SpatialDeformationImageFilter);

  using Self = SpatialDeformationImageFilter;
  using Superclass = ImageToImageFilter<TImage, TImage>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkOverrideGetNameOfClassMacro(SpatialDeformationImageFilter);

  static constexpr unsigned int ImageDimension = TImage::ImageDimension;
  static_assert(ImageDimension == 2 || ImageDimension == 3, "SpatialDeformationImageFilter takes 2-D and 3-D images");
  static_assert(ImageDimension == TLabelImage::ImageDimension, "Image and labels must have the same dimension");

  using ImageType = TImage;
  using LabelImageType = TLabelImage;
  using PixelType = typename TImage::PixelType;
  using LabelPixelType = typename TLabelImage::PixelType;
  static_assert(std::is_arithmetic<PixelType>::value, "SpatialDeformationImageFilter takes scalar pixels");
  static_assert(std::is_integral<LabelPixelType>::value, "Labels are integers");

  using FlipAxesType = FixedArray<bool, ImageDimension>;
  using OffsetType = Vector<double, ImageDimension>;
  /** In 2-D one angle, from x towards y; in 3-D those about x, y and z. */
  using AnglesType = FixedArray<double, ImageDimension == 2 ? 1 : 3>;

  /** Input 0 is the image; others, without gaps, move with it. Output i is made for input i. */
  using Superclass::SetInput;
  void SetInput(unsigned int i, const ImageType * image) override;

  /** Labels that move with the images; null: none. */
  void SetLabelImage(const LabelImageType * image);
  itkGetInputMacro(LabelImage, LabelImageType);

  /** The deformed labels. Throws ExceptionObject when no label image has been set. */
  LabelImageType * GetLabelOutput();

  /** v *= factor, which is above 0. A probability is within [0, 1]. */
  void AppendScale(double factor, double probability = 1);

  /** The coordinate of each of these axes is reversed along that axis: a mirrored image, when
   * nothing but scales comes before. */
  void AppendFlip(const FlipAxesType & axes, double probability = 1);

  /** v += offset: the image moves the other way. */
  void AppendTranslate(const OffsetType & offset, double probability = 1);

  /** v turns by right-handed rotations, in 3-D about z, then y, then x: the image turns the
   * other way. */
  void AppendRotate(const AnglesType & angles, double probability = 1);

  /** v += alpha * field, see nn::SpatialDeformation::Elastic: noise in [-1, 1), smoothed by a
   * Gaussian of a standard deviation of sigma pixels, which is cut off at truncate * sigma.
   * \param boundary of the noise: "constant" or "mirror".
   * \param value beyond the border of a constant boundary.
   * Throws ExceptionObject when there is no such boundary. */
  void AppendElastic(double sigma,
                     double alpha,
                     double probability = 1,
                     const std::string & boundary = "constant",
                     double value = 0,
                     double truncate = 4);

  void ClearOperations();
  unsigned int GetNumberOfOperations() const
  {
    return static_cast<unsigned int>(m_Operations.size());
  }

  /** Of the random draws; its absolute value counts. 0 by default. */
  itkSetMacro(Seed, std::int64_t);
  itkGetConstMacro(Seed, std::int64_t);

  /** "linear", the default, or "nearest": how images are sampled. */
  itkSetMacro(Interpolation, std::string);
  itkGetConstReferenceMacro(Interpolation, std::string);

  /** What is beyond the border, of images and labels: "constant", the default, "reflect"
   * (d c b a | a b c d | d c b a), "mirror" (d c b | a b c d | c b a), "nearest"
   * (a a a | a b c d | d d d) or "wrap" (the first and the last pixel are one place). */
  itkSetMacro(Boundary, std::string);
  itkGetConstReferenceMacro(Boundary, std::string);

  /** Of a constant boundary; 0 by default. */
  itkSetMacro(DefaultPixelValue, PixelType);
  itkGetConstMacro(DefaultPixelValue, PixelType);
  itkSetMacro(DefaultLabel, LabelPixelType);
  itkGetConstMacro(DefaultLabel, LabelPixelType);

  /** The boundaries of the library cuda_spatial_deform to the letter, see
   * nn::Sampling::cudaSpatialDeformRules: with it even the identity loses the last pixel along
   * each axis to a constant boundary. Off by default: SciPy's boundaries. */
  itkSetMacro(CudaSpatialDeformRules, bool);
  itkGetConstMacro(CudaSpatialDeformRules, bool);
  itkBooleanMacro(CudaSpatialDeformRules);

  /** "auto", the default, or the name of a backend: "reference", "onednn", "cuda". */
  itkSetMacro(Backend, std::string);
  itkGetConstReferenceMacro(Backend, std::string);

  /** "cpu", the default, "cuda", "cuda:1", or "auto": "cuda" where there is one, else "cpu". */
  itkSetMacro(Device, std::string);
  itkGetConstReferenceMacro(Device, std::string);

  /** "float32", the default, or "float64": of coordinates and values. In float32 integers of more
   * than 24 bits are rounded in images, and refused in labels. */
  itkSetMacro(Precision, std::string);
  itkGetConstReferenceMacro(Precision, std::string);

  /** The operations that the last execution has done, in their order: "scale", "flip",
   * "translate", "rotate", "elastic". */
  const std::vector<std::string> & GetDoneOperations() const
  {
    return m_DoneOperations;
  }

  using DataObjectPointerArraySizeType = ProcessObject::DataObjectPointerArraySizeType;
  using DataObjectIdentifierType = ProcessObject::DataObjectIdentifierType;
  using Superclass::MakeOutput;
  DataObject::Pointer MakeOutput(const DataObjectIdentifierType & name) override;

protected:
  SpatialDeformationImageFilter() = default;
  ~SpatialDeformationImageFilter() override = default;

  void PrintSelf(std::ostream & os, Indent indent) const override;

  void VerifyPreconditions() ITKv5_CONST override;
  void VerifyInputInformation() ITKv5_CONST override;
  void GenerateOutputInformation() override;
  void EnlargeOutputRequestedRegion(DataObject * output) override;
  void GenerateInputRequestedRegion() override;
  void GenerateData() override;

private:
  void Append(const nn::SpatialDeformation::Operation & operation, double probability);
  void MakeOutputs();
  void Deform();

  /** To count elements, and back; integers are rounded. */
  template <typename TAnyImage>
  static void CopyPixels(const TAnyImage * image, nn::Tensor & pixels, std::int64_t offset);
  template <typename TAnyImage>
  static void Paste(const nn::Tensor & pixels, std::int64_t offset, TAnyImage * image);

  std::vector<nn::RandomSpatialOperation> m_Operations;
  std::int64_t m_Seed = 0;
  std::string m_Interpolation = "linear";
  std::string m_Boundary = "constant";
  PixelType m_DefaultPixelValue{};
  LabelPixelType m_DefaultLabel{};
  bool m_CudaSpatialDeformRules = false;
  std::string m_Backend = "auto";
  std::string m_Device = "cpu";
  std::string m_Precision = "float32";
  nn::SpatialDeformationRunner m_Runner;
  std::vector<std::string> m_DoneOperations;
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkSpatialDeformationImageFilter.hxx"
#endif

#endif
