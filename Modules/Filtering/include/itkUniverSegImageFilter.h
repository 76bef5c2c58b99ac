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
#ifndef itkUniverSegImageFilter_h
#define itkUniverSegImageFilter_h

#include "itkImage.h"
#include "itkImageToImageFilter.h"
#include "itkNNFilterRun.h"
#include "itkUniverSegPixelConversion.h"
#include "itkUniverSegPredictor.h"

#include <string>
#include <vector>

namespace itk
{
/** \class UniverSegImageFilter
 * \brief Segment an image as a support set of images and label maps shows, with
 * a UniverSeg network; nothing is trained.
 *
 * Input: a 2-D image, or a 3-D image that is segmented slice by slice across
 * SliceAxis; scalar pixels, or RGB and RGBA as luminance. Output: a label map
 * with the input's spacing, origin, direction and region index.
 *
 * A slice is normalised, resampled to the model's grid with antialiased linear
 * interpolation, run through the network, and its probabilities are resampled
 * back with the same interpolation before the threshold.
 *
 * With one label other than 0 in the support set, the output is ForegroundValue
 * where the probability exceeds Threshold, else 0. With several, each label is
 * segmented in turn and the output is the label of the highest probability; the
 * background competes as a label too unless IncludeBackground is off, when a
 * pixel gets its best label where the probability of it exceeds Threshold, else
 * 0. See UniverSegPredictor for ensembles.
 *
 * Whole slices are computed. A request for some slices computes only these, so
 * the filter streams across SliceAxis; MinMaxOfVolume and Percentile look at the
 * whole input first. Work units are the number of threads, up to the threads
 * that ITK has.
 *
 * Throws ExceptionObject when there is no support set, when it is empty or marks
 * nothing, when an intensity is NaN or infinite, when a label does not fit the
 * output pixel type, or when a parameter is out of its range. An image with one
 * intensity is segmented as if it were 0. There is no least size: an image
 * smaller than the grid is enlarged.
 *
 * Butoi et al., "UniverSeg: Universal Medical Image Segmentation", ICCV 2023,
 * arXiv 2304.06131.
 * \ingroup UniverSegFiltering
 */
template <typename TInputImage, typename TOutputImage = Image<unsigned char, TInputImage::ImageDimension>>
class ITK_TEMPLATE_EXPORT UniverSegImageFilter : public ImageToImageFilter<TInputImage, TOutputImage>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(UniverSegImageFilter);

  using Self = UniverSegImageFilter;
  using Superclass = ImageToImageFilter<TInputImage, TOutputImage>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkOverrideGetNameOfClassMacro(UniverSegImageFilter);

  static constexpr unsigned int ImageDimension = TInputImage::ImageDimension;
  static_assert(ImageDimension == 2 || ImageDimension == 3, "UniverSegImageFilter takes 2-D and 3-D images");
  static_assert(ImageDimension == TOutputImage::ImageDimension, "Input and output must have the same dimension");

  using InputImageType = TInputImage;
  using OutputImageType = TOutputImage;
  using OutputPixelType = typename TOutputImage::PixelType;
  using RegionType = typename TOutputImage::RegionType;
  using ProbabilityImageType = Image<float, ImageDimension>;
  using LabelType = UniverSegPredictor::LabelType;
  using GridSizeType = SegmentationModel::GridSizeType;
  using NormalizationEnum = IntensityNormalization::NormalizationEnum;

  /** The examples. Required. */
  itkSetInputMacro(SupportSet, UniverSegSupportSet);
  itkGetInputMacro(SupportSet, UniverSegSupportSet);

  /** The model; SegmentationModel::GetDefault() when none is set. */
  itkSetInputMacro(Model, SegmentationModel);
  itkGetInputMacro(Model, SegmentationModel);

  /** A pixel is foreground when its probability is above this; in [0, 1],
   * 0.5 by default. */
  itkSetMacro(Threshold, double);
  itkGetConstMacro(Threshold, double);

  /** Output of the foreground when the support set has one label; 1 by default. */
  itkSetMacro(ForegroundValue, OutputPixelType);
  itkGetConstMacro(ForegroundValue, OutputPixelType);

  /** The axis across which a 3-D image is cut into slices, by default the last;
   * of no effect in 2-D.
   * The remaining axes, in order, are the columns and the rows of a slice. */
  itkSetMacro(SliceAxis, unsigned int);
  itkGetConstMacro(SliceAxis, unsigned int);

  /** Slices in one run of the network; more than one take more memory and are
   * seldom faster. 0, the default: one. */
  itkSetMacro(SliceBatchSize, SizeValueType);
  itkGetConstMacro(SliceBatchSize, SizeValueType);

  /** How intensities, those of the supports as well, are brought to [0, 1];
   * MinMaxOfSlice by default. */
  void SetNormalization(NormalizationEnum method)
  {
    this->SetMember(m_Normalization.method, method);
  }
  NormalizationEnum GetNormalization() const
  {
    return m_Normalization.method;
  }

  /** Range of Percentile, in percent; 0.5 and 99.5 by default. */
  void SetLowerPercentile(double percent)
  {
    this->SetMember(m_Normalization.lowerPercentile, percent);
  }
  double GetLowerPercentile() const
  {
    return m_Normalization.lowerPercentile;
  }
  void SetUpperPercentile(double percent)
  {
    this->SetMember(m_Normalization.upperPercentile, percent);
  }
  double GetUpperPercentile() const
  {
    return m_Normalization.upperPercentile;
  }

  /** Range of Window, in intensities; 0 and 255 by default. */
  void SetWindowMinimum(double intensity)
  {
    this->SetMember(m_Normalization.windowMinimum, intensity);
  }
  double GetWindowMinimum() const
  {
    return m_Normalization.windowMinimum;
  }
  void SetWindowMaximum(double intensity)
  {
    this->SetMember(m_Normalization.windowMaximum, intensity);
  }
  double GetWindowMaximum() const
  {
    return m_Normalization.windowMaximum;
  }

  /** Columns and rows of the grid that the network works on; 0, the default: the
   * model's. Multiples of 2^(L - 1) for a network of L encoder blocks. */
  itkSetMacro(GridSize, GridSizeType);
  itkGetConstReferenceMacro(GridSize, GridSizeType);
  void SetGridSize(SizeValueType extent)
  {
    GridSizeType size;
    size.Fill(extent);
    this->SetGridSize(size);
  }

  /** With several labels, whether the background, 0, is segmented and competes as
   * one of them. On by default. */
  itkSetMacro(IncludeBackground, bool);
  itkGetConstMacro(IncludeBackground, bool);
  itkBooleanMacro(IncludeBackground);

  /** Number of support subsets whose probabilities are averaged; 1 by default. */
  itkSetMacro(EnsembleSize, SizeValueType);
  itkGetConstMacro(EnsembleSize, SizeValueType);

  /** Supports drawn, with replacement, for each member. 0, the default: for an
   * ensemble of one all supports, undrawn; else as many as there are. */
  itkSetMacro(EnsembleSupportSize, SizeValueType);
  itkGetConstMacro(EnsembleSupportSize, SizeValueType);

  /** Member j draws with the seed Seed + j; 0 by default. */
  itkSetMacro(Seed, SizeValueType);
  itkGetConstMacro(Seed, SizeValueType);

  /** Use the first supports only; 0, the default: all. */
  itkSetMacro(MaximumNumberOfSupports, SizeValueType);
  itkGetConstMacro(MaximumNumberOfSupports, SizeValueType);

  /** Segment each slice with this many supports only, those whose images are most like it; 0,
   * the default: with all. Less work than many supports; better where these differ much from
   * each other. See UniverSegPreparedSupports::FindNearest(). */
  itkSetMacro(NumberOfNearestSupports, SizeValueType);
  itkGetConstMacro(NumberOfNearestSupports, SizeValueType);

  /** "auto", the default, or the name of a backend: "reference", "onednn", "cuda". */
  itkSetMacro(Backend, std::string);
  itkGetConstReferenceMacro(Backend, std::string);

  /** "cpu", the default, "cuda", "cuda:1", or "auto": "cuda" where there is one, else "cpu". */
  itkSetMacro(Device, std::string);
  itkGetConstReferenceMacro(Device, std::string);

  /** "float32", the default, or "float64"; on CUDA also "tf32", float32 with factors that are
   * rounded to 10 bits behind the point, "bfloat16" and "float16". */
  itkSetMacro(Precision, std::string);
  itkGetConstReferenceMacro(Precision, std::string);

  /** The same bits in every run, on CUDA too. Off by default: there the order of some sums
   * may change. */
  itkSetMacro(Deterministic, bool);
  itkGetConstMacro(Deterministic, bool);
  itkBooleanMacro(Deterministic);

  /** Make the probabilities an output too. Off by default. */
  itkSetMacro(ProduceProbabilities, bool);
  itkGetConstMacro(ProduceProbabilities, bool);
  itkBooleanMacro(ProduceProbabilities);

  /** Probabilities of GetOutputLabels()[i], with the input's geometry. Throws
   * ExceptionObject unless ProduceProbabilities is on, and when the support set
   * has no such label. */
  ProbabilityImageType * GetProbabilityOutput(unsigned int i);

  /** The label of each probability output, from the support set as it is now. */
  std::vector<LabelType> GetOutputLabels() const;

  using DataObjectPointerArraySizeType = ProcessObject::DataObjectPointerArraySizeType;
  using Superclass::MakeOutput;
  DataObject::Pointer MakeOutput(DataObjectPointerArraySizeType i) override;

protected:
  UniverSegImageFilter() = default;
  ~UniverSegImageFilter() override = default;

  void PrintSelf(std::ostream & os, Indent indent) const override;

  void VerifyPreconditions() const override;
  void GenerateOutputInformation() override;
  void EnlargeOutputRequestedRegion(DataObject * output) override;
  void GenerateInputRequestedRegion() override;
  void GenerateData() override;

private:
  template <typename T>
  void SetMember(T & member, T value)
  {
    if (member != value)
    {
      member = value;
      this->Modified();
    }
  }

  /** The slices of a region, each a region. */
  std::vector<RegionType> MakeSlices(const RegionType & region) const;

  UniverSegPredictor::Options MakeOptions() const;

  void CheckLabels(const UniverSegPredictor & predictor) const;

  void Segment();

  double m_Threshold = 0.5;
  OutputPixelType m_ForegroundValue{ 1 };
  unsigned int m_SliceAxis = ImageDimension - 1;
  SizeValueType m_SliceBatchSize = 0;
  IntensityNormalization m_Normalization;
  GridSizeType m_GridSize{ { 0, 0 } };
  bool m_IncludeBackground = true;
  SizeValueType m_EnsembleSize = 1;
  SizeValueType m_EnsembleSupportSize = 0;
  SizeValueType m_Seed = 0;
  SizeValueType m_MaximumNumberOfSupports = 0;
  SizeValueType m_NumberOfNearestSupports = 0;
  std::string m_Backend = "auto";
  std::string m_Device = "cpu";
  std::string m_Precision = "float32";
  bool m_Deterministic = false;
  bool m_ProduceProbabilities = false;
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkUniverSegImageFilter.hxx"
#endif

#endif
