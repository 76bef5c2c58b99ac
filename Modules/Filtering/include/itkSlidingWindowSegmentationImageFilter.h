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
#ifndef itkSlidingWindowSegmentationImageFilter_h
#define itkSlidingWindowSegmentationImageFilter_h

#include "itkFixedArray.h"
#include "itkImage.h"
#include "itkImageToImageFilter.h"
#include "itkNNFilterRun.h"
#include "itkNNSlidingWindowPredictor.h"
#include "itkSegmentationModel.h"

#include <string>

namespace itk
{
/** \class SlidingWindowSegmentationImageFilter
 * \brief Segment an image of any size with a network that labels each pixel of a window.
 *
 * Input: a 2-D or 3-D image with scalar or vector pixels, whose components are the channels of
 * the network. Output: the class of each pixel, that of the greatest logit, with the input's
 * spacing, origin, direction and region index.
 *
 * The network runs on overlapping windows, whose logits are merged with weights. Windows are
 * placed and weighted exactly as in PyMIC, MONAI or nnU-Net, see nn::WindowPlacement and
 * nn::WindowWeights; each distinct window is run once. Classes are chosen as soon as the last
 * window over a row of the slowest axis is merged, so that memory is bounded by the windows and
 * MaximumLogitBytes, not by classes times pixels.
 *
 * The filter streams: a request for a region asks the input for what the windows that touch it
 * cover, runs these windows only, and gives the same as a request for the whole image. With an
 * input that streams too, as from an ImageFileReader, and an output that is written with
 * ImageFileWriter::SetNumberOfStreamDivisions(), neither image needs to fit in memory. Pieces run
 * the windows between them once each, so few and thick ones cost least.
 *
 * Intensities reach the network as they are: the input should be normalised as the network's
 * training has it, over the whole image where that says so. A filter before this one that needs
 * the whole image to do so keeps its input from being streamed.
 *
 * The network has one input, "input", and logits of the same extents, as fmunet, pctnet, u2net
 * and unet3d have. Work units are the number of threads, up to the threads that
 * ITK has.
 *
 * Throws ExceptionObject when there is no model, when it takes no such windows, when an intensity
 * is NaN or infinite, when a class does not fit the output pixel type, or when a parameter is out
 * of its range.
 *
 * Wang et al., "PyMIC: A deep learning toolkit for annotation-efficient medical image
 * segmentation", 2023; Cardoso et al., "MONAI", arXiv 2211.02701; Isensee et al., "nnU-Net",
 * Nature Methods 2021.
 * \ingroup UniverSegFiltering
 */
template <typename TInputImage, typename TOutputImage = Image<unsigned char, TInputImage::ImageDimension>>
class ITK_TEMPLATE_EXPORT SlidingWindowSegmentationImageFilter : public ImageToImageFilter<TInputImage, TOutputImage>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(SlidingWindowSegmentationImageFilter);

  using Self = SlidingWindowSegmentationImageFilter;
  using Superclass = ImageToImageFilter<TInputImage, TOutputImage>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkOverrideGetNameOfClassMacro(SlidingWindowSegmentationImageFilter);

  static constexpr unsigned int ImageDimension = TInputImage::ImageDimension;
  static_assert(ImageDimension == 2 || ImageDimension == 3,
                "SlidingWindowSegmentationImageFilter takes 2-D and 3-D images");
  static_assert(ImageDimension == TOutputImage::ImageDimension, "Input and output must have the same dimension");

  using InputImageType = TInputImage;
  using OutputImageType = TOutputImage;
  using InputPixelType = typename TInputImage::PixelType;
  using OutputPixelType = typename TOutputImage::PixelType;
  using RegionType = typename TOutputImage::RegionType;
  using SizeType = typename TOutputImage::SizeType;
  using ProbabilityImageType = Image<float, ImageDimension>;
  using MirrorAxesType = FixedArray<bool, ImageDimension>;
  using WindowPlacementEnum = nn::WindowPlacement;
  using WindowBlendingEnum = nn::WindowBlending;

  /** The network and its weights. Required. */
  itkSetInputMacro(Model, SegmentationModel);
  itkGetInputMacro(Model, SegmentationModel);

  /** The task, or domain, of a model of several, as u2net is; -1, the default: the one that the
   * model's configuration names. */
  itkSetMacro(Task, int);
  itkGetConstMacro(Task, int);

  /** Whose rule places the windows; PyMIC by default. */
  itkSetMacro(WindowPlacement, WindowPlacementEnum);
  itkGetConstMacro(WindowPlacement, WindowPlacementEnum);

  /** How the pixels of a window count; Gaussian by default. */
  itkSetMacro(WindowBlending, WindowBlendingEnum);
  itkGetConstMacro(WindowBlending, WindowBlendingEnum);

  /** Extents of a window in pixels, in the order of the image's axes; 0, the default: the
   * extent of the image. */
  itkSetMacro(WindowSize, SizeType);
  itkGetConstReferenceMacro(WindowSize, SizeType);

  /** Distances of windows in pixels, with PyMIC; 0, the default: half a window. */
  itkSetMacro(WindowStride, SizeType);
  itkGetConstReferenceMacro(WindowStride, SizeType);

  /** The part of a window that the next covers too, with MONAI; in [0, 1), 0.25 by default. */
  itkSetMacro(WindowOverlap, double);
  itkGetConstMacro(WindowOverlap, double);

  /** The greatest distance of windows in parts of their extent, with NnUNet; in [0.001, 1], 0.5 by
   * default. */
  itkSetMacro(WindowStep, double);
  itkGetConstMacro(WindowStep, double);

  /** With PyMIC, pad an image that is smaller than the window, for networks that take windows of
   * one size only, as PCT-Net; MONAI and NnUNet always do. Off by default. */
  itkSetMacro(PadToWindow, bool);
  itkGetConstMacro(PadToWindow, bool);
  itkBooleanMacro(PadToWindow);

  /** Intensity of the padding; 0 by default. */
  itkSetMacro(PaddingValue, double);
  itkGetConstMacro(PaddingValue, double);

  /** Windows in one run of the network; 1 by default. */
  itkSetMacro(WindowBatchSize, SizeValueType);
  itkGetConstMacro(WindowBatchSize, SizeValueType);

  /** Axes along which the image is mirrored for test-time augmentation: the logits are the mean
   * over all combinations of them, at 2^axes the cost. None by default. See
   * nn::SlidingWindowOptions::mirrorAxes. */
  itkSetMacro(MirrorAxes, MirrorAxesType);
  itkGetConstReferenceMacro(MirrorAxes, MirrorAxesType);

  /** Merged logits that are held at a time, about, in bytes; 2 GiB by default. What needs more
   * is merged in parts, which run the windows between them once each. Not below what one window
   * has. */
  itkSetMacro(MaximumLogitBytes, SizeValueType);
  itkGetConstMacro(MaximumLogitBytes, SizeValueType);

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

  /** Make the probability of ProbabilityClass an output too. Off by default. */
  itkSetMacro(ProduceProbability, bool);
  itkGetConstMacro(ProduceProbability, bool);
  itkBooleanMacro(ProduceProbability);

  /** The class of the probability; 1 by default. */
  itkSetMacro(ProbabilityClass, SizeValueType);
  itkGetConstMacro(ProbabilityClass, SizeValueType);

  /** Probability, the softmax over the classes, of ProbabilityClass, with the input's geometry.
   * Throws ExceptionObject unless ProduceProbability is on. */
  ProbabilityImageType * GetProbabilityOutput();

  /** Windows that the last update ran, each mirrored one counted; of a streamed update those of
   * the last piece. */
  itkGetConstMacro(NumberOfWindowsRun, SizeValueType);

  using DataObjectPointerArraySizeType = ProcessObject::DataObjectPointerArraySizeType;
  using Superclass::MakeOutput;
  DataObject::Pointer MakeOutput(DataObjectPointerArraySizeType i) override;

protected:
  SlidingWindowSegmentationImageFilter();
  ~SlidingWindowSegmentationImageFilter() override = default;

  void PrintSelf(std::ostream & os, Indent indent) const override;

  void VerifyPreconditions() const override;
  void GenerateOutputInformation() override;
  void GenerateInputRequestedRegion() override;
  void GenerateData() override;

private:
  /** Of the input, slowest axis first. */
  nn::Shape GetExtents() const;

  nn::SlidingWindowOptions MakeOptions() const;

  /** Between pixels counted from the first of the image, slowest axis first, and indices. */
  nn::WindowRegion ToWindowRegion(const RegionType & region) const;
  RegionType ToRegion(const nn::WindowRegion & region) const;

  /** \param pixels [C, region...], strided. */
  void CopyPixels(const RegionType & region, nn::Tensor & pixels) const;

  template <typename TImage, typename TValue>
  static void Paste(const nn::Tensor & values, const RegionType & region, TImage * output);

  void Segment();

  int m_Task = -1;
  WindowPlacementEnum m_WindowPlacement = WindowPlacementEnum::PyMIC;
  WindowBlendingEnum m_WindowBlending = WindowBlendingEnum::Gaussian;
  SizeType m_WindowSize{ {} };
  SizeType m_WindowStride{ {} };
  double m_WindowOverlap = 0.25;
  double m_WindowStep = 0.5;
  bool m_PadToWindow = false;
  double m_PaddingValue = 0;
  SizeValueType m_WindowBatchSize = 1;
  MirrorAxesType m_MirrorAxes;
  SizeValueType m_MaximumLogitBytes = SizeValueType{ 2 } << 30;
  std::string m_Backend = "auto";
  std::string m_Device = "cpu";
  std::string m_Precision = "float32";
  bool m_Deterministic = false;
  bool m_ProduceProbability = false;
  SizeValueType m_ProbabilityClass = 1;
  SizeValueType m_NumberOfWindowsRun = 0;
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkSlidingWindowSegmentationImageFilter.hxx"
#endif

#endif
